"""django-oauth-toolkit at its fastest: no middleware, secrets unhashed, connections kept open."""

import os

import environ

SECRET_KEY = "only for a bench, no secret at all, and fifty characters long"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "bench.toolkit_urls"
DATABASES = {"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])}
DATABASES["default"]["CONN_MAX_AGE"] = None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
OAUTH2_PROVIDER = {"SCOPES": {"all": "everything"}, "ACCESS_TOKEN_EXPIRE_SECONDS": 7200}
WEB_THREADS = int(os.environ["WEB_THREADS"])
TRUSTED_PROXIES: list[str] = []
