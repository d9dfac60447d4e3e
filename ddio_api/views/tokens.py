"""The doors at which accessTokens are taken."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ddio_api import limits, tokens
from ddio_api.base import DdioView
from ddio_api.docs import tokens as docs
from ddio_api.errors import DdioError
from ddio_api.rendering import envelope
from ddio_api.serializers import TokenSerializer
from portal import credentials
from portal.models import AppSecret
from portal.request_ids import request_id_of


class TokenView(DdioView):
    """DDIO's token door. Asking again issues another token and never kills an earlier one."""

    authentication_classes = []
    permission_classes = []
    takes_secrets = True

    @extend_schema(**docs.TOKEN)
    def post(self, request: Request) -> Response:
        asked = self.checked(TokenSerializer, TokenSerializer.one_spelling(request.data))
        secret = self._verified(asked["appID"], asked["appSecret"])
        if not secret.number.may_take_tokens:
            raise DdioError(50002)
        return Response(self._granted(secret))

    def _verified(self, app_id: str, clear: str) -> AppSecret:
        try:
            secret = credentials.verify(app_id, clear)
        except credentials.SecretFrozen as error:
            raise DdioError(40243) from error
        if secret is None:
            limits.refuse_guessing(app_id, self.request.META.get("REMOTE_ADDR", ""))
            raise DdioError(40125)
        return secret

    def _granted(self, secret: AppSecret) -> dict[str, Any]:
        """One flat body in which the client of every door finds its own words."""
        secret.touch(timezone.now())
        token, seconds = tokens.issue(secret.number_id, secret.generation)
        result = {"access_token": token, "expires_in": seconds}
        spellings = {"accessToken": token, "expiresIn": seconds, "token_type": "Bearer"}
        wechat = {"errcode": 0, "errmsg": "ok"}
        return result | spellings | wechat | envelope(result, request_id_of(self.request))
