from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, re_path

from reviewapp.api.base import UnknownPath

# The administration's own form asks for no second factor and counts no failed attempts.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", include("reviewapp.api.urls")),
    re_path("^api(/|$)", UnknownPath.as_view()),
    path("", include("reviewapp.monitoring.urls")),
    path("", include("reviewapp.web.urls")),
]

handler400 = "reviewapp.api.errors.bad_request"
handler403 = "reviewapp.api.errors.permission_denied"
handler404 = "reviewapp.api.errors.page_not_found"
handler500 = "reviewapp.api.errors.server_error"
