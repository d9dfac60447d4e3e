"""The one file that talks to a provider, through the official client on the guarded transport.

The client is built anew for every call (24 µs beside the shared connection pool), so no key stays
in a cache and none can answer for another. Replies are taken as plain JSON: building the client's
own objects costs 50 µs for each token. Nothing raised here carries a cause or a context, because
underneath hang requests whose headers hold the key.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx2
import openai
from django.utils.translation import gettext_noop

from bots import outbound
from bots.moderations import flagged
from bots.provider_faults import (
    FOREIGN_TEXT_AT_MOST,
    NO_ANSWER,
    TROUBLE,
    ProviderFault,
    UnreadableReplyError,
    clean,
    fault_of,
    is_possible_key,
    said,
    scrub,
)
from bots.provider_replies import Reply, Thought, Usage, model_names

__all__ = [
    "CutShort",
    "Endpoint",
    "Provider",
    "ProviderFault",
    "Sampling",
    "Thought",
    "Usage",
    "Verdict",
]

PROBE_SECONDS = 20.0
# For one token of a model that is listed: what takes longer is slow, and says nothing of the key.
PROOF_SECONDS = 6.0
MODERATION_SECONDS = 5.0
# Why an answer may end before its end, in the words of OpenAI's `finish_reason`.
CUTS = frozenset({"length", "content_filter"})
# What a provider says whose list of models is closed or does not exist; the key may still be good.
NO_LIST = frozenset({403, 404, 405, 501})
NO_MODERATION = frozenset({404, 405, 501})
# It refuses this text, not every text: whoever asks must not switch moderation off by that.
ABOUT_THE_TEXT = frozenset({400, 413, 422})
# Evidence is kept in English, and shown by bots.evidence.
LISTED = gettext_noop("HTTP 200, models listed")
IMPOSSIBLE_KEY = gettext_noop("the key is empty or holds impossible characters")
WANTS_MORE = gettext_noop("the model wants more than one token")
SLOW = gettext_noop("HTTP 200, models listed; this one takes long to answer")
CAME_BACK_AT_MOST = 120  # characters of what came back instead of an answer
_END = object()


@dataclass(frozen=True)
class Endpoint:
    """Where a robot's questions go."""

    base_url: str
    api_key: str = field(repr=False)
    model: str


@dataclass(frozen=True)
class Sampling:
    """How the answer is to be drawn; what is None is left to the provider."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None


@dataclass(frozen=True)
class CutShort:
    """The answer is not whole: one of CUTS says why."""

    reason: str


@dataclass(frozen=True)
class Verdict:
    """What a key is worth, in the words of bots.models.KeyStatus; `retry_after` is in seconds."""

    status: str
    models: list[str]
    evidence: str
    retry_after: float | None = None


class _Client(openai.AsyncOpenAI):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._platform = "Unknown"  # or each new client would have a thread find out

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        """These and no others: the stock ones describe this machine, and add what the operator
        keeps in OPENAI_ORG_ID or OPENAI_CUSTOM_HEADERS to calls that go to strangers' hosts."""
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "Fuwuhao",
        }


class Provider:
    """Every provider call of one event loop, over one shared pool of connections."""

    def __init__(self) -> None:
        # Reading has deadlines of its own below.
        timeout = httpx2.Timeout(None, connect=outbound.CONNECT_SECONDS, pool=10.0)
        self._http = outbound.guarded_client(timeout=timeout)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def stream(
        self,
        endpoint: Endpoint,
        messages: list[dict[str, str]],
        *,
        request_id: str,
        sampling: Sampling = Sampling(),
    ) -> AsyncGenerator[str | Thought | CutShort | Usage, None]:
        """One streaming chat completion: its text in pieces, then its usage if that was told.

        Ends normally only where the provider said that it finished; raises ProviderFault for
        everything else. Closing the generator closes the upstream connection.
        """
        body = _chat_body(endpoint, messages, sampling)
        reply = Reply()
        events: openai.AsyncStream[object] | None = None
        fault: ProviderFault | None = None
        try:
            async with reply.deadline():
                events = await self._open(endpoint, body, request_id)
            while True:
                async with reply.deadline():
                    event = await anext(events, _END)
                if event is _END:
                    break
                text = reply.take(event)
                if reply.thought:
                    yield Thought(reply.thought)
                if text:
                    yield text
            reply.check_finished(events.response.headers.get("content-type", ""))
        except TROUBLE as trouble:
            # Once the provider said that it finished, a missing farewell spoils nothing.
            if not reply.is_finished:
                has_begun = events is not None
                fault = fault_of(
                    trouble, endpoint.api_key, answering=has_begun, spoke=reply.has_spoken
                )
                fault.was_answering = has_begun
        finally:
            if events is not None:
                await events.close()
        if fault:
            raise fault
        if reply.finish_reason in CUTS:
            yield CutShort(reply.finish_reason)
        if reply.usage:
            yield reply.usage

    async def probe(self, endpoint: Endpoint, *, proves: bool = False) -> Verdict:
        """What the endpoint's key is worth: by its list of models, or else by a one-token call.

        The list costs nothing, but says nothing of a quota that is used up: `proves` makes the
        call all the same. Never raises for a provider's trouble: each trouble is a verdict.
        """
        models: list[str] = []
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                models = await self._listed_models(endpoint)
                is_listed = bool(models) and endpoint.model in ("", *models)
                if is_listed and not (proves and endpoint.model):
                    return Verdict("valid", models, f"{LISTED}: {len(models)}")
                if not is_listed:
                    return Verdict("valid", models, await self._ask_for_one_token(endpoint))
                return Verdict("valid", models, await self._prove(endpoint))
        except TROUBLE as trouble:
            fault = fault_of(trouble, endpoint.api_key, answering=False)
        # What refuses a request that is made by the book (400, 405 …) does not go by that book.
        status = fault.key_status or "incompatible"
        return Verdict(status, models, fault.evidence, fault.retry_after)

    async def _prove(self, endpoint: Endpoint) -> str:
        try:
            async with asyncio.timeout(PROOF_SECONDS):
                return await self._ask_for_one_token(endpoint)
        except TimeoutError:
            return SLOW

    async def moderate(self, endpoint: Endpoint, text: str) -> list[str] | None:
        """The categories that the provider's own moderation puts the text into: none as a rule.

        None where the provider offers no such thing. Raises ProviderFault.
        """
        try:
            async with asyncio.timeout(MODERATION_SECONDS):
                client = self._client(endpoint)
                reply = await client.post(
                    "/moderations", cast_to=object, body={"input": clean(text)}
                )
            return flagged(reply, endpoint.api_key)
        except TROUBLE as trouble:
            status = getattr(trouble, "status_code", None)
            if status in NO_MODERATION:
                return None
            if status in ABOUT_THE_TEXT:
                return []
            fault = fault_of(trouble, endpoint.api_key, answering=False)
        raise fault

    def _client(self, endpoint: Endpoint) -> _Client:
        if not is_possible_key(endpoint.api_key):
            raise ProviderFault(71002, "invalid", IMPOSSIBLE_KEY)
        return _Client(
            api_key=endpoint.api_key,
            admin_api_key="",
            base_url=endpoint.base_url,
            http_client=self._http,
            max_retries=0,
        )

    async def _open(
        self, endpoint: Endpoint, body: dict[str, Any], request_id: str
    ) -> openai.AsyncStream[object]:
        headers = {"X-Request-ID": request_id, "Accept": outbound.EVENT_STREAM}
        client = self._client(endpoint)
        while True:
            try:
                return await client.post(
                    "/chat/completions",
                    cast_to=object,
                    body=body,
                    options={"headers": headers},
                    stream=True,
                    stream_cls=openai.AsyncStream[object],
                )
            except openai.APIStatusError as refusal:
                if not _adapt(body, refusal):
                    raise

    async def _listed_models(self, endpoint: Endpoint) -> list[str]:
        try:
            page = await self._client(endpoint).get("/models", cast_to=object)
        except openai.APIStatusError as refusal:
            if refusal.status_code in NO_LIST:
                return []
            raise
        except (ValueError, RecursionError):
            return []
        # The list is kept in the database, where no key may stand in clear.
        return [name for name in model_names(page) if name == scrub(name, endpoint.api_key)]

    async def _ask_for_one_token(self, endpoint: Endpoint) -> str:
        """The evidence that the key may use the model."""
        question = [{"role": "user", "content": "Hi"}]
        body = _chat_body(endpoint, question, Sampling(max_tokens=1))
        del body["stream"], body["stream_options"]
        client = self._client(endpoint)
        while True:
            try:
                reply = await client.post("/chat/completions", cast_to=object, body=body)
            except openai.APIStatusError as refusal:
                if _adapt(body, refusal):
                    continue
                if _wants_more_tokens(refusal):
                    return f"HTTP {refusal.status_code}: {WANTS_MORE}"
                raise
            if not isinstance(reply, dict) or not isinstance(reply.get("choices"), list):
                raise UnreadableReplyError(f"{NO_ANSWER}: {str(reply)[:CAME_BACK_AT_MOST]}")
            return gettext_noop("HTTP 200, a one-token call succeeded")


# Requests -------------------------------------------------------------------------------------


def _chat_body(
    endpoint: Endpoint,
    messages: list[dict[str, str]],
    sampling: Sampling,
) -> dict[str, Any]:
    turns = [{name: clean(value) for name, value in message.items()} for message in messages]
    body: dict[str, Any] = {"model": endpoint.model, "messages": turns, "stream": True}
    body["stream_options"] = {"include_usage": True}
    chosen = {name: value for name, value in asdict(sampling).items() if value is not None}
    return body | chosen


def _adapt(body: dict[str, Any], refusal: openai.APIStatusError) -> bool:
    """Change what this provider refuses of the body; False where that is not what it refused.

    Some know no `stream_options`; OpenAI's reasoning models know `max_tokens` by a newer name.
    """
    if refusal.status_code not in (400, 422):
        return False
    words = f"{refusal.param} {said(refusal)} {refusal.body}"[:FOREIGN_TEXT_AT_MOST]
    if "stream_options" in body and "stream_options" in words:
        del body["stream_options"]
        return True
    if "max_tokens" in body and "max_completion_tokens" in words:
        body["max_completion_tokens"] = body.pop("max_tokens")
        return True
    return False


def _wants_more_tokens(refusal: openai.APIStatusError) -> bool:
    """A model that thinks first cannot answer in one token; it was reached all the same."""
    words = said(refusal)
    return refusal.status_code in (400, 422) and ("max_tokens" in words or "output limit" in words)
