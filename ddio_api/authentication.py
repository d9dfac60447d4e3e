"""Who calls: the app that an accessToken was issued to, on every request anew."""

from dataclasses import dataclass

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from ddio_api import tokens
from ddio_api.errors import DdioError
from portal.models import AppSecret, ServiceNumber


@dataclass(frozen=True)
class App:
    """The caller: a service number speaking through one of its secrets. Never a person."""

    number: ServiceNumber
    secret: AppSecret

    is_authenticated = True

    @property
    def pk(self) -> int:
        return self.number.pk

    def admit_again(self) -> "App":
        return admit(self.secret.number_id, self.secret.generation)


def admit(number_id: int, generation: int) -> App:
    """The app as it stands now; raises 40001 for a dead secret and 50002 for a silenced number.

    Whoever waited asks again before answering: what killed a token meanwhile holds.
    """
    secrets = AppSecret.objects.filter(number=number_id, generation=generation)
    secret = secrets.select_related("number").first()
    if secret is None or secret.frozen_at or not secret.is_live(timezone.now()):
        raise DdioError(40001)
    if not secret.number.may_take_tokens:
        raise DdioError(50002)
    return App(secret.number, secret)


class AccessTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …` or DDIO's `access-token: …`; a call without a token is refused."""

    def authenticate(self, request: Request) -> tuple[App, tokens.AccessToken]:
        token = self._read(request)
        return admit(token.number_id, token.generation), token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    @staticmethod
    def _read(request: Request) -> tokens.AccessToken:
        given = request.headers.get("Authorization", "")
        scheme, _, bearer = given.partition(" ")
        if given and scheme.lower() != "bearer":
            raise DdioError(41001)
        clear = bearer.strip() or request.headers.get("access-token", "").strip()
        if not clear:
            raise DdioError(41001)
        try:
            return tokens.read(clear)
        except tokens.TokenExpired as error:
            raise DdioError(42001) from error
        except tokens.TokenInvalid as error:
            raise DdioError(40001) from error
