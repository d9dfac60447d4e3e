"""The real settings in a data directory of the test run's own."""

import os
import tempfile

os.environ["FUWUHAO_DOTENV"] = "0"
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="fuwuhao-tests-"))
os.environ.setdefault("LOG_FORMAT", "console")

from portal.settings import *  # noqa: F403
from portal.settings import DATA_DIR, DATABASES

DATABASES["default"].setdefault("TEST", {})
# No test within this process is about a machine that loses its power: the disk need not be waited
# for. The platforms that tests start have the real settings.
OPTIONS = DATABASES["default"]["OPTIONS"]
if DATABASES["default"]["ENGINE"].endswith("sqlite"):
    # A file, as in production: an in-memory database has no WAL and no second writer.
    DATABASES["default"]["TEST"]["NAME"] = str(DATA_DIR / "test.sqlite3")
    OPTIONS["init_command"] = OPTIONS["init_command"].replace("synchronous=FULL", "synchronous=OFF")
else:
    OPTIONS["options"] = "-c synchronous_commit=off"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Or every test client would index all static files anew, 40 ms each.
WHITENOISE_AUTOREFRESH = True
