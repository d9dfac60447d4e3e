"""What the web server serves: `granian --interface asgi portal.asgi:application`."""

import os

import django
from django.core.handlers.wsgi import WSGIHandler

from portal.alive import AliveFirst
from portal.bridge import Bridge
from portal.starting import refuse_misconfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
refuse_misconfigured("web process")
application = AliveFirst(Bridge(WSGIHandler()))
