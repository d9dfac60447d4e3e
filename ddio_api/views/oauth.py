"""OAuth 2: the token door (RFC 6749, section 4.4), revocation (RFC 7009), metadata (RFC 8414)."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote_plus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ddio_api import granting, tokens
from ddio_api.base import DdioView
from ddio_api.call_facts import facts_of
from ddio_api.docs import oauth as docs
from ddio_api.errors import DdioError
from ddio_api.granting import Client
from ddio_api.serializers import GRANT_TYPES
from portal import app_records, revocation
from portal.request_ids import request_id_of

REALM = 'Basic realm="fuwuhao", charset="UTF-8"'


class OAuthView(DdioView):
    """Clients show who they are by Basic or in the form, never both (RFC 6749, section 2.3)."""

    authentication_classes = []
    permission_classes = []
    takes_secrets = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """In English: an `error_description` is ASCII."""
        with translation.override("en"):
            response = cast(HttpResponse, super().dispatch(request, *args, **kwargs))
        response["Pragma"] = "no-cache"
        return response

    def handle_exception(self, exc: Exception) -> Response:
        response: Response = super().handle_exception(exc)
        if response.status_code == 401 and "Authorization" in self.request.headers:
            response["WWW-Authenticate"] = REALM
        return response

    def body(self) -> dict[str, Any]:
        """What has no value counts as left out (RFC 6749, section 3.2)."""
        return {name: value for name, value in super().body().items() if value != ""}

    def client(self, form: dict[str, Any]) -> Client:
        app_id, app_secret = self._shown(form)
        facts_of(self.request).name_app(app_id)
        return granting.recognise(app_id, app_secret, self.request.META.get("REMOTE_ADDR", ""))

    def _shown(self, form: dict[str, Any]) -> tuple[str, str]:
        header = self.request.headers.get("Authorization", "")
        in_form = {"client_id", "client_secret"} & form.keys()
        if not header:
            return _text(form, "client_id", 41002), _text(form, "client_secret", 41004)
        app_id, app_secret = _basic(header)
        if "client_secret" in in_form or form.get("client_id", app_id) != app_id:
            raise DdioError(47001, "Use either the Authorization header or the form, never both.")
        return app_id, app_secret


class OAuthTokenView(OAuthView):
    @extend_schema(**docs.TOKEN)
    def post(self, request: Request) -> Response:
        form = self.body()
        if not form.get("grant_type"):
            raise DdioError(47001, "The parameter grant_type is missing.")
        client = self.client(form)
        if form["grant_type"] not in GRANT_TYPES:
            raise DdioError(40002, "The only grant_type supported is client_credentials.")
        return Response(granting.grant(client, request_id_of(request)))


class OAuthRevokeView(OAuthView):
    @extend_schema(**docs.REVOKE)
    def post(self, request: Request) -> Response:
        """200 also for what is no live token: the aim, that it is good for nothing, is met."""
        form = self.body()
        client = self.client(form)
        self.take_request(client.record.number_id)
        given = _text(form, "token", 47001)
        try:
            token = tokens.read(given)
        except (tokens.TokenInvalid, tokens.TokenExpired):
            return self._revoked()
        if token.app_id != client.record.app_id:
            raise DdioError(47001, "This token was issued to another client.")
        if app_records.is_congested():
            raise DdioError(-1, "Valkey is away. Try again soon.", status=503, retry_after=5)
        expires = datetime.fromtimestamp(token.expires, UTC)
        revocation.revoke(client.record.number_id, token.token_id, expires)
        return self._revoked()

    def _revoked(self) -> Response:
        return Response({"code": 0, "msg": "ok", "request_id": request_id_of(self.request)})


class OAuthMetadataView(DdioView):
    """Where clients find the doors by themselves."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(**docs.METADATA)
    def get(self, request: Request) -> Response:
        methods = ["client_secret_basic", "client_secret_post"]
        return Response(
            {
                "issuer": settings.SITE_URL,
                "token_endpoint": settings.SITE_URL + reverse("oauth-token"),
                "token_endpoint_auth_methods_supported": methods,
                "revocation_endpoint": settings.SITE_URL + reverse("oauth-revoke"),
                "revocation_endpoint_auth_methods_supported": methods,
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": [],
                "service_documentation": settings.SITE_URL + reverse("ddio-docs"),
            }
        )


def _text(form: dict[str, Any], name: str, code: int) -> str:
    found = form.get(name)
    if not isinstance(found, str) or not found:
        raise DdioError(code, f"The parameter {name} is missing.")
    return found


def _basic(header: str) -> tuple[str, str]:
    """appId and appSecret of `Basic …`, each form-encoded first (RFC 6749, section 2.3.1)."""
    scheme, _space, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise DdioError(40125, "The Authorization header must be Basic.")
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise DdioError(40125, "The Authorization header is not readable.") from error
    app_id, _colon, app_secret = decoded.partition(":")
    return unquote_plus(app_id), unquote_plus(app_secret)
