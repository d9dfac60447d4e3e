"""Who calls: the app that an accessToken was issued to, on every request anew."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from ddio_api import tokens
from ddio_api.call_facts import facts_of
from ddio_api.errors import DdioError
from portal import app_records
from portal.app_records import AppRecord
from portal.models import ServiceNumber


@dataclass(frozen=True)
class App:
    """The caller: a service number speaking through one of its tokens. Never a person."""

    record: AppRecord
    token: tokens.AccessToken
    address: str

    is_authenticated = True

    @property
    def pk(self) -> int:
        return self.record.number_id

    @property
    def number(self) -> ServiceNumber:
        return self.record.number

    def admit_again(self) -> "App":
        """The app as it stands now; raises what `admit` raises.

        Whoever waited asks again before answering: what killed a token meanwhile holds.
        """
        return admit(self.token, self.address)


def admit(token: tokens.AccessToken, address: str) -> App:
    """Let the token's app in; raises 40001 for a dead token, else what `refuse_silenced` raises."""
    record = app_records.read(token.app_id)
    secret = record.secret(token.generation) if record else None
    if record is None or secret is None or secret.frozen or record.has_revoked(token.token_id):
        raise DdioError(40001)
    refuse_silenced(record, address)
    return App(record, token, address)


def refuse_silenced(record: AppRecord, address: str) -> None:
    """Raises 50002 for a suspended or closed number, 40164 for an address not on its list."""
    if not record.may_take_tokens:
        raise DdioError(50002)
    if not record.admits(address):
        sentence = _(
            "Your address, seen here as %(address)s, is not on the service number's IP list. "
            "Its owner can add it under Credentials."
        )
        raise DdioError(40164, sentence % {"address": address or "?"})


class AccessTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …` or DDIO's `access-token: …`; a call without a token is refused."""

    def authenticate(self, request: Request) -> tuple[App, tokens.AccessToken]:
        token = self._read(request)
        facts_of(request).name_app(token.app_id)
        return admit(token, request.META.get("REMOTE_ADDR", "")), token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    @staticmethod
    def _read(request: Request) -> tokens.AccessToken:
        given = request.headers.get("Authorization", "")
        scheme, _space, bearer = given.partition(" ")
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
