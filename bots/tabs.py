"""The tab of one attempt: what it may spend, and the calls that it makes; all in memory."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from bots import context
from bots.provider import ProviderFault, Usage

COST_AT_MOST = 10**17  # whatever a provider claims to have counted, it fits a database's integer


class Rate(NamedTuple):
    """A model's prices: micro-units of the currency per million tokens."""

    input: int
    output: int

    def cost(self, prompt: int, completion: int) -> int:
        """In 10⁻¹² of the currency."""
        return min(prompt * self.input + completion * self.output, COST_AT_MOST)


FREE = Rate(0, 0)


class Figures(NamedTuple):
    """What a call has used."""

    prompt: int
    completion: int
    is_estimated: bool

    @property
    def tokens(self) -> int:
        return self.prompt + self.completion


@dataclass
class Call:
    """One upstream call, as far as it has come: `said` grows while the answer does, `thought` while
    the model thinks aloud, which is charged and not shown.
    """

    key_id: str
    model: str
    said: list[str] = field(default_factory=list)
    thought: list[str] = field(default_factory=list)
    usage: Usage | None = None
    fault: ProviderFault | None = None

    @property
    def was_refused(self) -> bool:
        """The provider, or the network, has ended it before it began to answer."""
        return self.fault is not None and not (self.fault.was_answering or self.said)


@dataclass
class Tab:
    """`prompt` are the tokens of the attempt's turns, estimated; `most` those that its answer may
    have, or, unless it `is_capped`, probably has: then the provider is told no limit. `at` is the
    time of its reservation, which decides its day and its month. `is_limited` where the number has
    a budget.
    """

    at: datetime
    prompt: int
    most: int
    rates: dict[str, Rate] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    is_limited: bool = False
    is_capped: bool = False

    def rate(self, model: str) -> Rate:
        return self.rates.get(model, FREE)

    def figures(self, call: Call) -> Figures:
        """The provider's count, or an estimate where it told none; what it refused cost nothing."""
        if call.usage:
            return Figures(call.usage.prompt_tokens, call.usage.completion_tokens, False)
        if call.was_refused:
            return Figures(0, 0, False)
        text = "".join([*call.thought, *call.said])
        answered = context.estimate_tokens(text) if text else 0
        return Figures(self.prompt, min(answered, self.most) if self.is_capped else answered, True)
