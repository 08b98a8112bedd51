from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", include("reviewapp.api.urls")),
    path("", include("reviewapp.monitoring.urls")),
    path("", include("reviewapp.web.urls")),
]
