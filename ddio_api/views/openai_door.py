"""The OpenAI door: official clients work with only `base_url` and `api_key` changed."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bots import chat
from bots.models import Channel, Message, Robot
from ddio_api import asking
from ddio_api.base import DdioView
from ddio_api.docs import openai_door as docs
from ddio_api.errors import DdioError
from ddio_api.openai_door.body import Asked, CompletionSerializer, in_one_spelling
from ddio_api.openai_door.calls import Call
from ddio_api.openai_door.completions import Head
from ddio_api.openai_door.errors import no_such_model
from ddio_api.openai_door.streams import Stream
from ddio_api.serializers import idempotency_key
from portal.hold import HeldStream


class OpenAiView(DdioView):
    """A view whose results stand alone, without an envelope."""

    def body_of(self, result: Any) -> Any:
        return result

    @property
    def robots_model(self) -> str:
        """The name of the robot's model; "" where there is no robot."""
        robot = Robot.objects.filter(number=self.number).first()
        return robot.model if robot else ""


class CompletionsView(OpenAiView):
    """Ask the robot, whatever model is named."""

    @extend_schema(**docs.COMPLETE)
    def post(self, request: Request) -> HttpResponse:
        asked = Asked.read(self.checked(CompletionSerializer, request.data))
        key = idempotency_key(request.headers.get("Idempotency-Key"))
        slots, model = self.slots(), self.robots_model  # what may fail comes before the asking
        message = self._accept(asked, key)
        call = Call(message.pk, can_come_back=bool(key))
        head = Head(message.pk, int(message.asked_at.timestamp()), model)
        if not asked.stream:
            return self.hold(call.until_settled, lambda: (head.whole(call.answer()), 200), slots)
        stream = Stream(
            call, head, self.app, include_usage=asked.include_usage, answer_to=self.answer_to
        )
        return HeldStream(lambda: slots.counted(stream.chunks()), begins_late=True)

    def _accept(self, asked: Asked, key: str) -> Message:
        terms = asking.terms(self.number, asked.user, Channel.OPENAI)
        sent = in_one_spelling(self.request.data) if key else ""
        question = chat.Question(
            number=self.number,
            open_id=asked.user,
            text=asked.question,
            channel=terms.channel,
            idempotency_key=key,
            given=chat.Given(asked.turns, asked.params, sent),
        )
        try:
            return asking.ask(question, *terms.limits)
        except DdioError as error:
            if error.code == 40003:
                error.fields = {"user": [str(error.message)]}
            raise


class ModelsView(OpenAiView):
    """The robot's model, which is the only one."""

    @extend_schema(**docs.MODELS)
    def get(self, request: Request) -> Response:
        name = self.robots_model
        return self.reply({"object": "list", "data": [self._model(name)] if name else []})

    def _model(self, name: str) -> dict[str, Any]:
        created = int(self.number.created_at.timestamp())
        return {
            "id": name,
            "object": "model",
            "created": created,
            "owned_by": self.number.handle,
        }


class ModelView(ModelsView):
    """The one model, by its name."""

    @extend_schema(**docs.MODEL)
    def get(self, request: Request, model: str) -> Response:  # type: ignore[override]
        if not model or model != self.robots_model:
            raise no_such_model()
        return self.reply(self._model(model))
