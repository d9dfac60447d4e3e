"""The doors at which accessTokens are taken."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, inline_serializer
from rest_framework import serializers

from ddio_api.docs.common import REQUEST_ID, errors
from ddio_api.serializers import TokenSerializer

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
            value={"appID": "fw0123456789abcdef", "appSecret": "fwsk_0", "accessType": "CLIENT"},
            request_only=True,
            media_type=media_type,
        )
        for media_type in ("application/json", "application/x-www-form-urlencoded")
    ],
    "responses": {
        200: OpenApiResponse(
            TOKEN_GRANT,
            examples=[
                OpenApiExample(
                    "answer",
                    value={
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
                    },
                )
            ],
        ),
        **errors(-1, 40002, 40013, 40125, 40243, 41002, 41004, 45002, 45011, 47001, 50002),
    },
}
