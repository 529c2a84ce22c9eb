"""How old prices are, and what to say once they are too old to trust unsaid. Pure: the day comes from the caller."""

from __future__ import annotations

import datetime as dt

STALE_AFTER_DAYS = 60


def days_old(date: str, today: dt.date) -> int | None:
    """Whole days from `date` (YYYY-MM-DD) to `today`, never below 0; None when it is no date."""
    try:
        return max(0, (today - dt.date.fromisoformat(date)).days)
    except ValueError:
        return None


def age_note(date: str, today: dt.date) -> str:
    """A sentence for prices older than sixty days; "" for younger ones and unknown dates."""
    days = days_old(date, today)
    if days is None or days <= STALE_AFTER_DAYS:
        return ""
    return (
        f"the catalog's newest prices are {days} days old ({date}): what you will pay may differ; upgrade tradewind, "
        "or give prices of your own (`tradewind catalog import`, --catalog)"
    )
