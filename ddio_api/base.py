"""The frame of every DDIO view: envelope, limit, and how a view waits without a thread."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from django.conf import settings
from django.http import HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from ddio_api import limits
from ddio_api.authentication import App
from ddio_api.call_facts import facts_of
from ddio_api.errors import DdioError, not_in_this_state
from ddio_api.parsing import parse_form
from ddio_api.rendering import JsonRenderer, envelope
from ddio_api.shapes import answer_exception
from portal.hold import HeldResponse, in_thread
from portal.models import ServiceNumber
from portal.request_ids import request_id_of
from portal.slots import COME_AGAIN_SECONDS, Slots

Reply = tuple[Any, int]  # a result for the envelope, and the HTTP status


class _Ready(threading.local):
    """A thread's own instances that check everybody's input, one for each language.

    Making one copies all of its fields, which takes longer than the checks. Without data of its own
    it keeps nothing of what it is given; but its sentences stay in the language in which they were
    needed first, and DRF's lazy ones break where two threads need them at once.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[type[Serializer[Any]], str | None], Serializer[Any]] = {}

    def one(self, serializer_class: type[Serializer[Any]]) -> Serializer[Any]:
        key = (serializer_class, get_language())
        if key not in self._kept:
            self._kept[key] = serializer_class()
        return self._kept[key]


_ready = _Ready()


class DdioView(APIView):
    """One door of the open interface."""

    metadata_class = None
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    takes_secrets = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if isinstance(request.user, App):
            facts_of(request).number_id = request.user.pk
            self.take_request(request.user.pk)

    def take_request(self, number_id: int) -> None:
        """Count one request of the app; raises 45011."""
        allowance = limits.take_request(number_id)
        self.headers = {**self.headers, **limits.headers(allowance)}
        if not allowance.allowed:
            raise DdioError(45011, retry_after=allowance.wait)

    @property
    def app(self) -> App:
        return cast(App, self.request.user)

    @property
    def number(self) -> ServiceNumber:
        return self.app.number

    def require_approved(self) -> None:
        """Raises 48001, naming the state, where the number has no people of its own yet."""
        if not self.number.answers_people:
            raise not_in_this_state(self.number.get_state_display())

    def checked(self, serializer_class: type[Serializer[Any]], data: Any) -> dict[str, Any]:
        """The validated input; raises 47001 with `fields`."""
        validated: dict[str, Any] = _ready.one(serializer_class).run_validation(data)
        return validated

    def body(self) -> dict[str, Any]:
        """The fields of the body, as `ddio_api.parsing` has them: never a list."""
        return cast(dict[str, Any], self.request.data)

    def query(self) -> dict[str, str]:
        """The fields of the query; raises 47001 as a form does."""
        return parse_form(self.request.META.get("QUERY_STRING", "").encode("latin-1"))

    def checked_query(self, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
        return self.checked(serializer_class, self.query())

    def reply(self, result: Any, status: int = 200) -> Response:
        return Response(self.body_of(result), status=status)

    def body_of(self, result: Any) -> dict[str, Any]:
        return envelope(result, request_id_of(self.request))

    def answer_to(self, error: Exception) -> Response:
        return answer_exception(error, {"request": self.request, "view": self})

    def slots(self) -> Slots:
        """Those in which the app's calls may wait; raises 45011 where none is free."""
        slots = Slots({f"app:{self.app.pk}": settings.DDIO_HELD_PER_APP})
        if slots.are_full():
            sentence = _("Too many of your calls wait or stream. Close some, or wait a moment.")
            raise DdioError(45011, sentence, retry_after=COME_AGAIN_SECONDS)
        return slots

    def hold(
        self,
        until: Callable[[], Awaitable[None]],
        then: Callable[[], Reply],
        slots: Slots | None = None,
    ) -> HttpResponse:
        """Answer later: `until` is awaited without thread or connection, `then` reads again.

        Who does something before it waits takes `slots` before that, where it can be refused.
        What either raises becomes the same answer as it would without the wait. A token that was
        killed during the wait gets nothing any more.
        """
        app, places = self.app, slots or self.slots()

        def once_more() -> Reply:
            app.admit_again()
            return then()

        async def reply() -> Reply:
            with places.taken():
                await until()
            return await in_thread(once_more)

        async def wait(response: HeldResponse) -> None:
            outcome = (await asyncio.gather(reply(), return_exceptions=True))[0]
            if isinstance(outcome, Exception):
                answer = self.answer_to(outcome)
                response.status_code, body = answer.status_code, answer.data
                for name in set(answer.headers) - {"Content-Type"}:
                    response[name] = answer.headers[name]
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                result, response.status_code = outcome
                body = self.body_of(result)
            response.content = self._render(body)

        return HeldResponse(wait, content_type="application/json; charset=utf-8")

    @staticmethod
    def _render(body: Mapping[str, Any]) -> bytes:
        rendered: bytes = JsonRenderer().render(body)
        return rendered

    def finalize_response(  # type: ignore[override]  # what is held is no Response of DRF's
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        final = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(final, ["Authorization"])
        final.setdefault("Cache-Control", "no-store")
        return final


class UnknownPath(DdioView):
    """Whatever is not a door of the interface: 40404, with or without a token."""

    authentication_classes = []
    permission_classes = []
    schema = None
    http_method_names = ["get", "post", "put", "patch", "delete", "head", "options"]

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        self.args, self.kwargs, self.headers = args, kwargs, {}
        self.request = self.initialize_request(request, *args, **kwargs)
        self.request.accepted_renderer = JsonRenderer()
        self.request.accepted_media_type = JsonRenderer.media_type
        response = answer_exception(DdioError(40404), {"request": self.request, "view": self})
        return self.finalize_response(self.request, response, *args, **kwargs)
