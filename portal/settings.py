"""Settings: everything by environment, and a bare clone runs without any.

`.env.example` lists the variables. Bad values never crash the import: `portal.checks` reports
them together, by name.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.contrib.messages import constants as message_levels
from django.utils.translation import gettext_lazy as _

from portal import embedded
from portal.account_settings import *  # noqa: F403 - what no environment changes
from portal.answering_settings import *  # noqa: F403
from portal.environment import (
    BASE_DIR,
    boolean,
    choice,
    env,
    integer,
    mail_server,
    number,
    ports,
    seconds,
    time_zone,
    url,
    words,
)

DATA_DIR = Path(env.str("DATA_DIR", default="") or BASE_DIR / "var").expanduser().absolute()
DEBUG = boolean("DEBUG", False)

# Addresses ------------------------------------------------------------------------------------

BIND = env.str("BIND", default="127.0.0.1")
PORT = integer("PORT", 8000, at_least=1)
SITE_URL = env.str("SITE_URL", default="").rstrip("/") or f"http://localhost:{PORT}"
SITE_IS_HTTPS = SITE_URL.startswith("https://")
_site_host = urlsplit(SITE_URL).hostname or "localhost"
_local_hosts = [] if SITE_IS_HTTPS else ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = words("ALLOWED_HOSTS", [_site_host, *_local_hosts])
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS", [SITE_URL] if SITE_IS_HTTPS else [])
TRUSTED_PROXIES = words("TRUSTED_PROXIES", [])

# Secrets: from the environment, or made at the first start and kept in DATA_DIR -----------------

_named = {
    "SECRET_KEY": env.str("SECRET_KEY", default=""),
    "TOKEN_SIGNING_KEYS": words("TOKEN_SIGNING_KEYS", []),
    "API_KEY_ENCRYPTION_KEYS": words("API_KEY_ENCRYPTION_KEYS", []),
}
_kept = embedded.installation_secrets(DATA_DIR)
SECRET_KEY = _named["SECRET_KEY"] or _kept["SECRET_KEY"]
TOKEN_SIGNING_KEYS = _named["TOKEN_SIGNING_KEYS"] or _kept["TOKEN_SIGNING_KEYS"]
API_KEY_ENCRYPTION_KEYS_FILE = env.str("API_KEY_ENCRYPTION_KEYS_FILE", default="")
API_KEY_ENCRYPTION_KEYS = _named["API_KEY_ENCRYPTION_KEYS"]
if not (API_KEY_ENCRYPTION_KEYS or API_KEY_ENCRYPTION_KEYS_FILE):
    API_KEY_ENCRYPTION_KEYS = _kept["API_KEY_ENCRYPTION_KEYS"]

# Parts ----------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "portal",
    "bots",
    "ddio_api",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]

MIDDLEWARE = [
    "portal.request_ids.RequestIdMiddleware",
    "ddio_api.call_recording.CallRecordingMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "portal.lanes.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "portal.lanes.MachinesPass",  # what follows is for people's pages alone
    "portal.no_store.NoStoreMiddleware",
    "portal.sessions.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.admin_requests.NoNulInAdminMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "portal.lanes.MachinesMeet",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = None
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.shell",
            ],
        },
    }
]
FORM_RENDERER = "portal.form_rendering.FormRenderer"
MESSAGE_TAGS = {message_levels.ERROR: "danger", message_levels.DEBUG: "secondary"}

# Database: SQLite that many processes may write, or PostgreSQL behind a pool --------------------

SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
}
# A connection that died in silence (failover, a dropped NAT entry) is given up after seconds, not
# after the hours that the kernel would wait.
POSTGRESQL_KEEPALIVE = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
DATABASE_POOL_SIZE = integer("DATABASE_POOL_SIZE", 16, at_least=2)


def _database() -> dict[str, Any]:
    default = f"sqlite:///{DATA_DIR / 'fuwuhao.sqlite3'}"
    address = url("DATABASE_URL", default, ["postgres", "postgresql", "sqlite"])
    config: dict[str, Any] = env.db_url_config(address)
    config["OPTIONS"] = dict(config.get("OPTIONS") or {})
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] |= SQLITE_OPTIONS
        config |= {"CONN_MAX_AGE": None, "ENGINE": "portal.sqlite"}  # has writers take turns
    else:
        # Whoever needs a connection tries anew. By itself the pool would pause twice as long after
        # each try, and find a database that was away for a minute only after another one.
        pool = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 2, "reconnect_timeout": 2}
        config["OPTIONS"] |= {"pool": pool, "connect_timeout": 5} | POSTGRESQL_KEEPALIVE
        config["OPTIONS"]["prepare_threshold"] = 1 if boolean("DATABASE_PREPARES", True) else None
        config["ENGINE"] = "portal.postgresql"  # sees to it that pooled connections are good
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Valkey: wake-ups, the answer journal, limits, and by default the broker -------------------------

REDIS_IS_EMBEDDED = not env.str("REDIS_URL", default="")
REDIS_URL = url("REDIS_URL", embedded.valkey_url(DATA_DIR), ["redis", "rediss", "unix"])
CELERY_BROKER_URL = url(
    "CELERY_BROKER_URL",
    embedded.broker_url(REDIS_URL),
    ["redis", "rediss", "redis+socket", "amqp", "amqps", "pyamqp", "sentinel"],
)
CACHES = {"default": {"BACKEND": "portal.cache.ValkeyCache", "KEY_PREFIX": "fw:cache"}}
WEB_THREADS = integer("WEB_THREADS", 4, at_least=1)
WEB_WORKERS = integer("WEB_WORKERS", 1, at_least=1)

# Mail (the accounts are in portal.account_settings) ----------------------------------------------

EMAIL_TIMEOUT = 10  # seconds: a mail server that hangs must not hold a thread for ever
vars().update(mail_server("EMAIL_URL"))
EMAIL_FILE_PATH = DATA_DIR / "mail"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"fuwuhao@{_site_host}")

# Language -------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = time_zone("TIME_ZONE", "UTC")

# Pages' safety --------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "style-src": ["'self'"],
        "script-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
CSRF_FAILURE_VIEW = "ddio_api.fallbacks.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_IS_HTTPS
SECURE_SSL_REDIRECT = SITE_IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]  # balancers and `make up` probe over plain http
SECURE_HSTS_SECONDS = 31536000 if SITE_IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SITE_IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
MEBIBYTE = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MEBIBYTE

# The open interface ---------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["ddio_api.authentication.AccessTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["ddio_api.rendering.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["ddio_api.parsing.AnyBodyParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "ddio_api.rendering.AlwaysJson",
    "DEFAULT_SCHEMA_CLASS": "ddio_api.docs.patterns.PatternedSchema",
    "EXCEPTION_HANDLER": "ddio_api.shapes.answer_exception",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "DDIO open interface",
    "VERSION": "2.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/platform/api2",
    "COMPONENT_SPLIT_REQUEST": True,
    "APPEND_COMPONENTS": {"securitySchemes": {"oauthClient": {"type": "http", "scheme": "basic"}}},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "ddio_api.docs.links.add_links",
    ],
}
ACCESS_TOKEN_SECONDS = integer("ACCESS_TOKEN_SECONDS", 7200, at_least=60)
DDIO_LEGACY_DOORS = boolean("DDIO_LEGACY_DOORS", False)
DDIO_MAX_WAIT = seconds("DDIO_MAX_WAIT", 60)
OPENAI_MAX_WAIT = seconds("OPENAI_MAX_WAIT", 600, at_least=1)
DDIO_REQUESTS_PER_SECOND = number("DDIO_REQUESTS_PER_SECOND", 100, at_least=0.001)
DDIO_REQUEST_BURST = integer("DDIO_REQUEST_BURST", 200, at_least=1)
DDIO_HELD_PER_APP = integer("DDIO_HELD_PER_APP", 2_000, at_least=1)
DDIO_WRONG_SECRETS_PER_MINUTE = integer("DDIO_WRONG_SECRETS_PER_MINUTE", 30, at_least=1)
ASKS_PER_NUMBER_AND_DAY = integer("ASKS_PER_NUMBER_AND_DAY", 10_000, at_least=1)
ASKS_PER_PERSON_AND_DAY = integer("ASKS_PER_PERSON_AND_DAY", 2_000, at_least=1)
GUEST_ASKS_PER_DAY = integer("GUEST_ASKS_PER_DAY", 20, at_least=1)
GUEST_ASKS_PER_ADDRESS_AND_DAY = integer("GUEST_ASKS_PER_ADDRESS_AND_DAY", 200, at_least=1)
NEWS_PER_NUMBER_AND_DAY = integer("NEWS_PER_NUMBER_AND_DAY", 100, at_least=1)
MESSAGES_PER_NUMBER_AND_DAY = integer("MESSAGES_PER_NUMBER_AND_DAY", 10_000, at_least=1)
SANDBOX_ASKS_PER_OWNER_AND_DAY = integer("SANDBOX_ASKS_PER_OWNER_AND_DAY", 200, at_least=1)
PENDING_PER_PERSON = integer("PENDING_PER_PERSON", 20, at_least=1)
CALL_LOG_DAYS = integer("CALL_LOG_DAYS", 30, at_least=1)
CALL_LOG_ROWS = integer("CALL_LOG_ROWS", 5_000_000, at_least=1000)

# Outbound calls, and the model and the simulator that ship with the platform ---------------------

OUTBOUND_ALLOW = words("OUTBOUND_ALLOW", [])
OUTBOUND_PORTS = ports("OUTBOUND_PORTS", ["443"])
LOCAL_MODEL = boolean("LOCAL_MODEL", True)
LOCAL_MODEL_PATH = env.str("LOCAL_MODEL_PATH", default="")
LOCAL_MODEL_NAME = env.str("LOCAL_MODEL_NAME", default="smollm2-135m")
LOCAL_MODEL_URL = embedded.local_model_url(DATA_DIR)
LOCAL_MODEL_API_KEY = _kept["LOCAL_MODEL_API_KEY"]
SIMULATOR = boolean("SIMULATOR", True)
SIMULATOR_IS_EMBEDDED = not env.str("SIMULATOR_URL", default="")
SIMULATOR_URL = url("SIMULATOR_URL", embedded.simulator_url(DATA_DIR), ["http", "https"])
SIMULATOR_API_KEY = _kept["SIMULATOR_API_KEY"]

# Logs: one JSON object a line, or readable lines on a terminal -----------------------------------

LOG_FORMAT = choice("LOG_FORMAT", "json", ["json", "console"])
LOG_LEVEL = choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"])
LOGGING_CONFIG = "portal.logs.configure"
LOGGING = {"level": LOG_LEVEL, "format": LOG_FORMAT}
