"""OAuth 2: its errors have a shape of their own (RFC 6749, section 5.2)."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, inline_serializer
from rest_framework import serializers

from ddio_api import shapes
from ddio_api.docs.common import APP_ID, REQUEST_ID
from ddio_api.docs.tokens import GRANTED, TOKEN_GRANT
from ddio_api.errors import DdioError
from ddio_api.serializers import GRANT_TYPES

FORM = "application/x-www-form-urlencoded"


class OAuthErrorSerializer(serializers.Serializer[Any]):
    error = serializers.CharField()
    error_description = serializers.CharField()
    code = serializers.IntegerField()
    errcode = serializers.IntegerField()
    request_id = serializers.CharField()


class ClientSerializer(serializers.Serializer[Any]):
    """Both, or neither and Basic instead."""

    client_id = serializers.CharField(required=False)
    client_secret = serializers.CharField(required=False)


class OAuthTokenSerializer(ClientSerializer):
    grant_type = serializers.ChoiceField(choices=GRANT_TYPES)
    scope = serializers.CharField(required=False)


class RevokeSerializer(ClientSerializer):
    token = serializers.CharField()
    token_type_hint = serializers.CharField(required=False)


REVOKED = inline_serializer(
    "Revoked",
    {
        "code": serializers.IntegerField(),
        "msg": serializers.CharField(),
        "request_id": serializers.CharField(),
    },
)
METADATA_BODY = inline_serializer(
    "AuthorizationServerMetadata",
    {
        "issuer": serializers.CharField(),
        "token_endpoint": serializers.CharField(),
        "token_endpoint_auth_methods_supported": serializers.ListField(
            child=serializers.CharField()
        ),
        "revocation_endpoint": serializers.CharField(),
        "revocation_endpoint_auth_methods_supported": serializers.ListField(
            child=serializers.CharField()
        ),
        "grant_types_supported": serializers.ListField(child=serializers.CharField()),
        "response_types_supported": serializers.ListField(child=serializers.CharField()),
        "service_documentation": serializers.CharField(),
    },
)


def _errors(*codes: int) -> dict[int, OpenApiResponse]:
    """As `docs.common.errors`, in OAuth's shape."""
    by_status: dict[int, list[OpenApiExample]] = {}
    for code in codes:
        busy = DdioError(-1, status=503)
        for known in [DdioError(code), *([busy] if code == -1 else [])]:
            shaped = shapes.oauth(known, REQUEST_ID)
            example = OpenApiExample(f"error {code}", value=shaped.body)
            by_status.setdefault(shaped.status, []).append(example)
    return {
        status: OpenApiResponse(
            OAuthErrorSerializer,
            description=" · ".join(str(example.value["code"]) for example in examples),
            examples=examples,
        )
        for status, examples in by_status.items()
    }


_CLIENT = {"client_id": APP_ID, "client_secret": "fwsk_0"}
_REFUSALS = (-1, 40125, 40164, 40243, 41002, 41004, 45002, 45011, 47001, 50002)
_BASIC: list[dict[str, list[str]]] = [{"oauthClient": []}, {}]

TOKEN: dict[str, Any] = {
    "operation_id": "takeOAuthToken",
    "tags": ["oauth2"],
    "summary": _("OAuth 2: client credentials (RFC 6749, 4.4), by Basic or in the form"),
    "request": {FORM: OAuthTokenSerializer},
    "auth": _BASIC,
    "examples": [
        OpenApiExample(
            "in the form",
            value={"grant_type": "client_credentials", **_CLIENT},
            request_only=True,
            media_type=FORM,
        )
    ],
    "responses": {
        200: OpenApiResponse(TOKEN_GRANT, examples=[OpenApiExample("answer", value=GRANTED)]),
        **_errors(*_REFUSALS, 40002),
    },
}

REVOKE: dict[str, Any] = {
    "operation_id": "revokeOAuthToken",
    "tags": ["oauth2"],
    "summary": _("OAuth 2: kill one accessToken (RFC 7009)"),
    "request": {FORM: RevokeSerializer},
    "auth": _BASIC,
    "examples": [
        OpenApiExample(
            "in the form",
            value={"token": "fwat_AQAAAA", **_CLIENT},
            request_only=True,
            media_type=FORM,
        )
    ],
    "responses": {
        200: OpenApiResponse(
            REVOKED,
            description="it is good for nothing any more, or never was for anything",
            examples=[
                OpenApiExample("answer", value={"code": 0, "msg": "ok", "request_id": REQUEST_ID})
            ],
        ),
        **_errors(*_REFUSALS),
    },
}

METADATA: dict[str, Any] = {
    "operation_id": "readOAuthMetadata",
    "tags": ["oauth2"],
    "summary": _("OAuth 2: where the doors are (RFC 8414)"),
    "auth": [],
    "responses": {
        200: OpenApiResponse(
            METADATA_BODY,
            examples=[
                OpenApiExample(
                    "answer",
                    value={
                        "issuer": "https://robots.example.org",
                        "token_endpoint": "https://robots.example.org/oauth2/token",
                        "token_endpoint_auth_methods_supported": [
                            "client_secret_basic",
                            "client_secret_post",
                        ],
                        "revocation_endpoint": "https://robots.example.org/oauth2/revoke",
                        "revocation_endpoint_auth_methods_supported": [
                            "client_secret_basic",
                            "client_secret_post",
                        ],
                        "grant_types_supported": ["client_credentials"],
                        "response_types_supported": [],
                        "service_documentation": "https://robots.example.org/platform/api2/docs/",
                    },
                )
            ],
        )
    },
}
