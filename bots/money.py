"""Money as people write it: what the database has as whole numbers, to the last digit."""

from decimal import Decimal

from bots.models.ledger import COST_UNIT, MICRO

DIGITS_AT_LEAST = 2  # behind the point


def cost(units: int) -> str:
    """A cost (10⁻¹² of the currency)."""
    return _written(units, COST_UNIT)


def micros(count: int) -> str:
    """A price or a budget (10⁻⁶ of the currency)."""
    return _written(count, MICRO)


def to_micros(amount: Decimal) -> int:
    """An amount that has no more than six digits behind the point."""
    return int(amount * MICRO)


def _written(count: int, unit: int) -> str:
    whole, rest = divmod(abs(count), unit)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0").ljust(DIGITS_AT_LEAST, "0")
    return f"{'-' if count < 0 else ''}{whole}.{digits}"
