"""What a person may set for all pages."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST
from django.views.i18n import set_language as set_language_cookie

from portal.models import User


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Django's own, which also remembers the language for the mails to this person."""
    language = request.POST.get("language", "")
    known = dict(settings.LANGUAGES)
    if isinstance(request.user, User) and language in known and check_for_language(language):
        User.objects.filter(pk=request.user.pk).update(language=language)
    return set_language_cookie(request)
