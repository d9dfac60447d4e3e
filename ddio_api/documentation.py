"""The schema (OpenAPI 3.1), the page on which calls can be tried, and that of calls to copy."""

from contextlib import suppress
from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ddio_api import snippets
from ddio_api.rendering import JsonRenderer
from portal.access import number_of
from portal.models import ServiceNumber, User

YAML_NAMES = {"application/yaml", "application/x-yaml", "text/yaml", "application/vnd.oai.openapi"}


class PlainJsonRenderer(OpenApiJsonRenderer):
    media_type = "application/json"


class YamlOnRequest(DefaultContentNegotiation):
    """JSON unless the caller accepts YAML by name; never 406."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        accepted = request.headers.get("Accept", "").split(",")
        names = {media_type.split(";")[0].strip() for media_type in accepted}
        chosen = renderers[1] if names & YAML_NAMES else renderers[0]
        return chosen, chosen.media_type


class SchemaView(SpectacularAPIView):
    authentication_classes = []
    content_negotiation_class = YamlOnRequest
    renderer_classes = [PlainJsonRenderer, OpenApiYamlRenderer]
    takes_secrets = False


class PublicPage(APIView):
    """A page of the portal's shell under the interface's paths: its errors are the interface's."""

    authentication_classes = []
    permission_classes = []
    takes_secrets = False

    def perform_authentication(self, request: Request) -> None:
        """Nobody has to be anybody here; DRF would hide from the shell who is signed in."""

    def handle_exception(self, exc: Exception) -> Response:
        """Errors are no page: they have the envelope as everywhere."""
        self.request.accepted_renderer = JsonRenderer()
        return super().handle_exception(exc)


class DocsView(PublicPage, SpectacularSwaggerSplitView):
    """Swagger UI in its split form: no inline script, as the content security policy wants it."""

    url_name = "ddio-schema"
    template_name = "ddio_api/docs.html"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The page in the portal's shell; with `?script` its script, as spectacular makes it."""
        response: Response = super().get(request, *args, **kwargs)
        if response.template_name != self.template_name:
            return response
        return render(request._request, self.template_name, response.data)  # noqa: SLF001


class CallsView(PublicPage):
    """Programs to copy; `?in=` names their language, `?app=` a number of the reader's own."""

    schema = None

    def get(self, request: Request) -> HttpResponseBase:
        page: HttpRequest = request._request  # noqa: SLF001
        code = page.GET.get("in", "")
        code = code if code in snippets.LANGUAGES else "curl"
        language = snippets.LANGUAGES[code]
        number = _own_number(page)
        app_id = number.app_id if number else ""
        shown = {
            "languages": snippets.LANGUAGES,
            "code": code,
            "language": language,
            "number": number,
            "subjects": [
                (subject, snippets.of(subject, language, app_id)) for subject in snippets.SUBJECTS
            ],
        }
        return render(page, "ddio_api/calls.html", shown)


def _own_number(page: HttpRequest) -> ServiceNumber | None:
    """The one that the reader came from; anybody else's is as good as none."""
    with suppress(Http404):
        if isinstance(page.user, User) and "app" in page.GET:
            return number_of(page.user, page.GET["app"])
    return None


class AccessTokenScheme(OpenApiAuthenticationExtension):
    """The two places where an accessToken may stand."""

    target_class = "ddio_api.authentication.AccessTokenAuthentication"
    name = ["bearer", "accessTokenHeader"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer"},
            {"type": "apiKey", "in": "header", "name": "access-token"},
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        return [{"bearer": []}, {"accessTokenHeader": []}]
