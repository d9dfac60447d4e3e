"""What an owner sets for the calls of his robot: limits and prices, each change on the record."""

from collections.abc import Mapping

from django.db import transaction

from bots import robots
from bots.models import Budget, LedgerDay, Price
from portal import audit, numbers
from portal.models import ServiceNumber, User

PRICES_AT_MOST = 100


MONTHLY = {"tokens", "micros"}


class TooManyPrices(Exception):
    """The number has prices for PRICES_AT_MOST models."""


def budget_of(number: ServiceNumber) -> Budget:
    """The number's budget; unsaved and without limits where it has none yet."""
    return Budget.objects.filter(number=number).first() or Budget(number=number)


def save(number: ServiceNumber, wanted: Mapping[str, int | None], *, actor: User | None) -> None:
    """Write the wanted limits; raises numbers.EditRefused where the number is closed."""
    with transaction.atomic():
        numbers.refuse_closed(ServiceNumber.objects.locked(number.pk))
        budget = budget_of(number)
        before = {name: getattr(budget, name) for name in wanted}
        changes = {
            name: [before[name], value] for name, value in wanted.items() if before[name] != value
        }
        if changes:
            anew: dict[str, int | None] = {}
            if MONTHLY & changes.keys():  # of another budget nobody was told
                anew = {"warned_month": None, "warned_percent": 0}
            Budget.objects.update_or_create(number=number, defaults={**wanted, **anew})
            audit.record("budget.edit", actor=actor, number=number, changes=changes)


def set_price(
    number: ServiceNumber, model: str, prices: tuple[int, int], *, actor: User | None
) -> None:
    """What a million tokens of the model cost (micro-units): of the prompt, and of the answer.

    It holds for calls from now on. Raises numbers.EditRefused and TooManyPrices.
    """
    with transaction.atomic():
        numbers.refuse_closed(ServiceNumber.objects.locked(number.pk))
        known = Price.objects.filter(number=number)
        old = known.filter(model=model).first()
        if old is None and known.count() >= PRICES_AT_MOST:
            raise TooManyPrices
        before = [old.input, old.output] if old else None
        if before == [*prices]:
            return
        values = {"input": prices[0], "output": prices[1]}
        Price.objects.update_or_create(number=number, model=model, defaults=values)
        changes = {model: [before, [*prices]]}
        audit.record("price.edit", actor=actor, number=number, changes=changes)


def remove_price(price: Price, *, actor: User | None) -> None:
    """Calls from now on cost nothing; what was charged stays as it is."""
    with transaction.atomic():
        numbers.refuse_closed(ServiceNumber.objects.locked(price.number_id))
        changes = {price.model: [[price.input, price.output], None]}
        removed, _by_model = Price.objects.filter(pk=price.pk).delete()
        if removed:
            audit.record("price.remove", actor=actor, number=price.number, changes=changes)


def models_of(number: ServiceNumber) -> list[str]:
    """Models to name a price for: those that were called, and those that the keys list."""
    called = LedgerDay.objects.filter(number=number).values_list("model", flat=True).distinct()
    listed = robots.models_of(list(number.api_keys.bound()))
    return [*dict.fromkeys([*sorted(called[:PRICES_AT_MOST]), *listed])]


def without_price(number: ServiceNumber) -> str:
    """The robot's model where it has no price, so that a budget in money never ends; else ""."""
    robot = getattr(number, "robot", None)
    if robot is None or Price.objects.filter(number=number, model=robot.model).exists():
        return ""
    return str(robot.model)
