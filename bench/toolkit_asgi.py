"""django-oauth-toolkit behind the platform's own bridge."""

import django
from django.core.handlers.wsgi import WSGIHandler

from portal.bridge import Bridge

django.setup()
application = Bridge(WSGIHandler())
