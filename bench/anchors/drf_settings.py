"""Settings of the plainest DRF view: the connection as the product has it, and no more than it needs."""

import os
from pathlib import Path

from reviewapp.embedded import paths

SECRET_KEY = "anchor"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "bench.anchors.drf_view"
INSTALLED_APPS = ["rest_framework"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        **paths.postgres_conninfo(Path(os.environ["REVIEWAPP_DATA_DIR"])),
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
}
