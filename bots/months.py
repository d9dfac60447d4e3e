"""Months and days of UTC, in which is counted what was spent."""

from datetime import UTC, date, datetime, timedelta


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def month_of(moment: datetime) -> date:
    """The first day of its month."""
    return day_of(moment).replace(day=1)


def next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def midnight(day: date) -> datetime:
    """When the day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
