"""The schema (OpenAPI 3.1) and the page on which every call can be tried."""

from typing import Any

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

from ddio_api.rendering import JsonRenderer

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


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI in its split form: no inline script, as the content security policy wants it."""

    authentication_classes = []
    url_name = "ddio-schema"
    template_name = "ddio_api/docs.html"
    takes_secrets = False

    def perform_authentication(self, request: Request) -> None:
        """Nobody has to be anybody here; DRF would hide from the shell who is signed in."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The page in the portal's shell; with `?script` its script, as spectacular makes it."""
        response: Response = super().get(request, *args, **kwargs)
        if response.template_name != self.template_name:
            return response
        return render(request._request, self.template_name, response.data)  # noqa: SLF001

    def handle_exception(self, exc: Exception) -> Response:
        """Errors are no page: they have the envelope as everywhere."""
        self.request.accepted_renderer = JsonRenderer()
        return super().handle_exception(exc)


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
