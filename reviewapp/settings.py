"""Every setting of an installation. What a stream or a policy decides is data, never a setting."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from reviewapp import env
from reviewapp.embedded import paths
from reviewapp.logging import configure as configure_logging

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = paths.data_dir()

DEBUG = env.boolean("DEBUG")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
PUBLIC_URL = (env.text("PUBLIC_URL") or "").rstrip("/")

DATABASE_URL = env.text("DATABASE_URL")
REDIS_URL = env.text("REDIS_URL")

SECRET_KEY = env.text("SECRET_KEY") or ""
if not SECRET_KEY and DATABASE_URL is None:
    SECRET_KEY = paths.secret(DATA_DIR, "secret_key")
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured(
        "SECRET_KEY is missing or shorter than 32 characters; set one, for example with "
        "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`."
    )
# The key of the coins drawn for each case. It must outlive a change of SECRET_KEY, so it may be set apart.
COIN_KEY = env.text("COIN_KEY") or SECRET_KEY

INSTALLED_APPS = [
    "reviewapp.accounts",
    "reviewapp.events",
    "reviewapp.registry",
    "reviewapp.gating",
    "reviewapp.cases",
    "reviewapp.webhooks",
    "reviewapp.monitoring",
    "reviewapp.embedded",
    "reviewapp.api",
    "reviewapp.web",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "django_linear_migrations",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    "rest_framework",
    "template_partials",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "reviewapp.logging.RequestContextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "csp.middleware.CSPMiddleware",
    "reviewapp.web.timezones.TimezoneMiddleware",
    "reviewapp.web.errors.RefusalMiddleware",
]

ROOT_URLCONF = "reviewapp.urls"
WSGI_APPLICATION = "reviewapp.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "reviewapp.web.context.navigation",
            ],
            "builtins": ["template_partials.templatetags.partials"],
        },
    },
]

# One code path: the embedded server and a given one differ only in where they listen.
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "reviewapp.database",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {},
        **(env.database(DATABASE_URL) if DATABASE_URL else paths.postgres_conninfo(DATA_DIR)),
    }
}
_timeouts = {
    "lock_timeout": env.text("DATABASE_LOCK_TIMEOUT", "3s"),
    "statement_timeout": env.text("DATABASE_STATEMENT_TIMEOUT", "15s"),
    "idle_in_transaction_session_timeout": env.text("DATABASE_IDLE_TIMEOUT", "30s"),
}
# Only statements that ask for it are prepared (reviewapp.writing.execute); Django's own never are.
DATABASES["default"]["OPTIONS"].setdefault("prepare_threshold", 5)
DATABASES["default"]["OPTIONS"].setdefault("options", " ".join(f"-c {k}={v}" for k, v in _timeouts.items()))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Sessions and cache live in PostgreSQL: Redis may be emptied or absent and nobody is signed out.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "django_cache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "reviewapp.accounts.adapter.ClosedSignupAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "reviewapp@localhost")

_https = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_NAME = "__Host-sessionid" if _https else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if _https else "csrftoken"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_SSL_REDIRECT = _https
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if _https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

_policy: dict[str, Any] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
CONTENT_SECURITY_POLICY = {"DIRECTIVES": _policy}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
# Files are served from where they lie; only an image that collects and compresses them names a folder.
STATIC_ROOT = env.text("STATIC_ROOT")
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 60 * 60

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["reviewapp.api.auth.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["reviewapp.api.auth.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["reviewapp.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "reviewapp.api.errors.problem_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "reviewapp",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "CaseState": "reviewapp.cases.models.case.STATES",
        "ReviewState": "reviewapp.cases.models.Review.State",
        "ReviewKind": "reviewapp.cases.models.Review.Kind",
        "ReviewMode": "reviewapp.registry.models.Stream.Mode",
        "DecisionSource": "reviewapp.cases.models.Decision.Source",
        "LabelSource": "reviewapp.cases.models.Label.Source",
        "EndpointState": "reviewapp.webhooks.models.Endpoint.State",
        "DeliveryState": "reviewapp.webhooks.models.Delivery.State",
        "ModelKind": "reviewapp.registry.models.ModelVersion.Kind",
        "PolicyState": "reviewapp.registry.models.PolicyVersion.State",
        "BackTestState": "reviewapp.gating.models.BackTest.State",
        "Route": [("auto", "auto"), ("review", "review")],
    },
}
# Limits of one request; a single case is capped at MAX_CASE_BYTES by the parser.
MAX_CASE_BYTES = 1_000_000
MAX_BULK_BYTES = 32_000_000
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BULK_BYTES
# Intake requests per second that one key may send to one process; 0 leaves it open.
INGEST_RATE = env.integer("INGEST_RATE", 2000)

# Celery carries wake-ups only; reviewapp/celery.py reads this namespace.
CELERY_BROKER_URL = REDIS_URL or paths.redis_url(DATA_DIR)
REDIS_CLIENT_URL = REDIS_URL or paths.redis_client_url(DATA_DIR)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
CELERY_RESULT_BACKEND = None
CELERY_VISIBILITY_TIMEOUT = 120
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = 45
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env.integer("CELERY_SOFT_SHUTDOWN", 30)
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None

# Permits http and loopback endpoints: for one laptop and for tests.
WEBHOOK_ALLOW_PRIVATE = env.boolean("WEBHOOK_ALLOW_PRIVATE")
WEBHOOK_PROXY = env.text("WEBHOOK_PROXY")

# Open Inference Protocol servers that bundles may name: scheme, host and port of each.
REMOTE_MODELS = env.origins("REMOTE_MODELS")
REMOTE_MODEL_TOKEN = env.text("REMOTE_MODEL_TOKEN", "") or ""

LOGGING_CONFIG = None
configure_logging(json=env.boolean("LOG_JSON"), level=env.text("LOG_LEVEL", "INFO") or "INFO")
