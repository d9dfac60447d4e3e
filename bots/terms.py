"""What the owners of numbers have set for the calls of their robots: limits and prices."""

from collections.abc import Collection
from dataclasses import dataclass, field

from bots.models.ledger import MICRO
from bots.tabs import FREE, Rate
from portal import statements


@dataclass(frozen=True)
class Terms:
    """Limits of a month (`tokens`, `micros`) and of a person's day; None: as much as may be."""

    tokens: int | None = None
    micros: int | None = None
    person_tokens: int | None = None
    rates: dict[str, Rate] = field(default_factory=dict)

    @property
    def is_limited(self) -> bool:
        return any(limit is not None for limit in (self.tokens, self.micros, self.person_tokens))

    @property
    def cost(self) -> int | None:
        """The month's money in the unit of costs."""
        return None if self.micros is None else self.micros * MICRO

    def dearest(self, models: Collection[str]) -> Rate:
        """What a token of any of these models costs at most."""
        rates = [self.rates.get(model, FREE) for model in models]
        return Rate(max(rate.input for rate in rates), max(rate.output for rate in rates))


_TERMS = """SELECT n.id, b.tokens, b.micros, b.person_tokens, p.model, p.input, p.output
    FROM portal_servicenumber AS n LEFT JOIN bots_budget AS b ON b.number_id = n.id
    LEFT JOIN bots_price AS p ON p.number_id = n.id WHERE {these}"""
_LOCK = """SELECT number_id, tokens, micros, person_tokens FROM bots_budget
    WHERE {these} ORDER BY number_id {lock}"""


def read(number_ids: Collection[int]) -> dict[int, Terms]:
    these, ids = statements.among("n.id", list(number_ids))
    found: dict[int, Terms] = {}
    for number_id, *limits, model, into, out in statements.rows(_TERMS.format(these=these), ids):
        terms = found.setdefault(number_id, Terms(*limits))
        if model is not None:
            terms.rates[model] = Rate(into, out)
    return found


def locked(found: dict[int, Terms]) -> dict[int, Terms]:
    """The same, with the limits as they are now: to the end of the transaction nobody else can
    reserve for a number that has any.
    """
    limited = [number_id for number_id, terms in found.items() if terms.is_limited]
    if not limited:
        return found
    these, ids = statements.among("number_id", limited)
    rows = statements.rows(_LOCK.format(these=these, lock=statements.locked()), ids)
    return found | {
        number_id: Terms(tokens, micros, person_tokens, found[number_id].rates)
        for number_id, tokens, micros, person_tokens in rows
    }
