from __future__ import annotations

import datetime as dt

import pytest

from tradewind.catalog import age_note, days_old

TODAY = dt.date(2026, 10, 3)


@pytest.mark.parametrize(
    ("date", "days"), [("2026-10-03", 0), ("2026-08-03", 61), ("2027-01-01", 0), ("", None), ("soon", None)]
)
def test_days(date: str, days: int | None) -> None:
    assert days_old(date, TODAY) == days


@pytest.mark.parametrize("date", ["2026-08-04", "2026-10-03", "2027-01-01", ""])
def test_sixty_days_are_no_age(date: str) -> None:
    assert age_note(date, TODAY) == ""


def test_sixty_one_are_said() -> None:
    assert age_note("2026-08-03", TODAY).startswith("the catalog's newest prices are 61 days old (2026-08-03)")
