"""The doors at which accessTokens are taken."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    PolymorphicProxySerializer,
    inline_serializer,
)
from rest_framework import serializers

from ddio_api import shapes
from ddio_api.docs.common import APP_ID, REQUEST_ID, errors
from ddio_api.errors import DdioError
from ddio_api.serializers import TokenSerializer, WeChatTokenSerializer

TOKEN_GRANT = inline_serializer(
    "TokenGrant",
    {
        "access_token": serializers.CharField(),
        "accessToken": serializers.CharField(),
        "token_type": serializers.CharField(),
        "expires_in": serializers.IntegerField(),
        "expiresIn": serializers.IntegerField(),
        "code": serializers.IntegerField(),
        "msg": serializers.CharField(),
        "errcode": serializers.IntegerField(),
        "errmsg": serializers.CharField(),
        "result": inline_serializer(
            "TokenResult",
            {
                "access_token": serializers.CharField(),
                "expires_in": serializers.IntegerField(),
            },
        ),
        "request_id": serializers.CharField(),
    },
)
_TOKEN = {"access_token": "fwat_AQAAAA", "expires_in": 7200}
GRANTED = {
    **_TOKEN,
    "accessToken": "fwat_AQAAAA",
    "token_type": "Bearer",
    "expiresIn": 7200,
    "code": 0,
    "msg": "ok",
    "errcode": 0,
    "errmsg": "ok",
    "result": _TOKEN,
    "request_id": REQUEST_ID,
}
_REFUSALS = (-1, 40002, 40013, 40125, 40164, 40243, 41002, 41004, 45002, 45011, 47001, 50002)


class WeChatErrorSerializer(serializers.Serializer[Any]):
    """As WeChat's clients know it; HTTP 200 whatever happened."""

    errcode = serializers.ChoiceField(choices=sorted(_REFUSALS))
    errmsg = serializers.CharField()
    code = serializers.IntegerField()
    msg = serializers.CharField()
    fields = serializers.DictField(required=False)  # type: ignore[assignment]  # the contract's name
    request_id = serializers.CharField()


TOKEN: dict[str, Any] = {
    "operation_id": "takeToken",
    "summary": _("Exchange appId and appSecret for a temporary accessToken"),
    "request": {
        "application/json": TokenSerializer,
        "application/x-www-form-urlencoded": TokenSerializer,
    },
    "auth": [],
    "examples": [
        OpenApiExample(
            "request",
            value={"appID": APP_ID, "appSecret": "fwsk_0", "accessType": "CLIENT"},
            request_only=True,
            media_type=media_type,
        )
        for media_type in ("application/json", "application/x-www-form-urlencoded")
    ],
    "responses": {
        200: OpenApiResponse(TOKEN_GRANT, examples=[OpenApiExample("answer", value=GRANTED)]),
        **errors(*_REFUSALS),
    },
}

STABLE_TOKEN: dict[str, Any] = {
    "operation_id": "takeStableToken",
    "tags": ["wechat"],
    "summary": _("WeChat's stable_token: the same exchange in WeChat's words"),
    "request": {"application/json": WeChatTokenSerializer},
    "auth": [],
    "examples": [
        OpenApiExample(
            "request",
            value={"grant_type": "client_credential", "appid": APP_ID, "secret": "fwsk_0"},
            request_only=True,
        )
    ],
    "responses": {
        200: OpenApiResponse(
            PolymorphicProxySerializer(
                component_name="StableToken",
                serializers=[TOKEN_GRANT, WeChatErrorSerializer],
                resource_type_field_name=None,
            ),
            description="a token, or an errcode: always HTTP 200",
            examples=[
                OpenApiExample("answer", value=GRANTED),
                *(
                    OpenApiExample(
                        f"error {code}", value=shapes.wechat(DdioError(code), REQUEST_ID).body
                    )
                    for code in _REFUSALS
                ),
            ],
        ),
    },
}
