"""Pictures of service numbers."""

import re

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from portal.models import Avatar

_DIGEST = re.compile(r"[0-9a-f]{64}")


@require_safe
def avatar(request: HttpRequest, digest: str) -> HttpResponse:
    """Open to all, as the chat of a number is; an address never shows another picture."""
    if not _DIGEST.fullmatch(digest):
        raise Http404
    kept = get_object_or_404(Avatar, pk=digest)
    response = HttpResponse(bytes(kept.image), content_type="image/png")
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
