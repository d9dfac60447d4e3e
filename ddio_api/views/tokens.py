"""DDIO's and WeChat's doors at which accessTokens are taken. OAuth's are in views.oauth.

Asking again issues another token and never kills an earlier one, whatever the door.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.response import Response

from ddio_api import granting
from ddio_api.base import DdioView
from ddio_api.call_facts import facts_of
from ddio_api.docs import tokens as docs
from ddio_api.errors import DdioError
from ddio_api.serializers import TokenSerializer, WeChatTokenSerializer
from portal.request_ids import request_id_of


class TokenDoor(DdioView):
    """Takes an app's secret and gives a token."""

    authentication_classes = []
    permission_classes = []
    takes_secrets = True

    def granted(self, app_id: str, app_secret: str) -> Response:
        facts_of(self.request).name_app(app_id)
        address = self.request.META.get("REMOTE_ADDR", "")
        client = granting.recognise(app_id, app_secret, address)
        return Response(granting.grant(client, request_id_of(self.request)))


class TokenView(TokenDoor):
    """DDIO's."""

    @extend_schema(**docs.TOKEN)
    def post(self, request: Request) -> Response:
        return self._answer(self.body())

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """For old clients, where the operator opens it: a secret in a URL ends up in logs."""
        if not settings.DDIO_LEGACY_DOORS:
            raise MethodNotAllowed("GET")
        return self._answer(self.query())

    def _answer(self, given: Mapping[str, Any]) -> Response:
        asked = self.checked(TokenSerializer, TokenSerializer.one_spelling(given))
        return self.granted(asked["appID"], asked["appSecret"])

    @property
    def allowed_methods(self) -> list[str]:
        legacy = ["GET", "HEAD"] if settings.DDIO_LEGACY_DOORS else []
        return ["POST", *legacy]


class StableTokenView(TokenDoor):
    """WeChat's `stable_token`. `force_refresh` is taken and kills nothing."""

    @extend_schema(**docs.STABLE_TOKEN)
    def post(self, request: Request) -> Response:
        asked = self.checked(WeChatTokenSerializer, self.body())
        return self.granted(asked["appid"], asked["secret"])


class WeChatTokenView(TokenDoor):
    """WeChat's `token`, where the operator opens it."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        if not settings.DDIO_LEGACY_DOORS:
            raise DdioError(40404)
        asked = self.checked(WeChatTokenSerializer, self.query())
        return self.granted(asked["appid"], asked["secret"])
