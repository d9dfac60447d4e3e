"""The settings of the bridge's own small site (tests.portal.bridge_site)."""

import os

SECRET_KEY = "only for tests of the bridge, at least 50 characters long, no secret at all"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.portal.bridge_site"
MIDDLEWARE = [
    "tests.portal.bridge_site.marking",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
LANGUAGE_CODE = os.environ.get("BRIDGE_LANGUAGE", "en")  # a bad one fails a system check
WEB_THREADS = 4
TRUSTED_PROXIES = os.environ.get("BRIDGE_PROXIES", "").split()
BODY_BYTES_AT_MOST = 100_000
DATA_UPLOAD_MAX_MEMORY_SIZE = None
CELERY_BROKER_URL = "redis://127.0.0.1:1/0"  # never connected to; the portal package reads it
