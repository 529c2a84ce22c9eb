"""Which difference between two clocks is told, and in what words."""

from __future__ import annotations

import pytest

from tradewind.broker.clouds import clock

THERE, THERE_UNIX = "Wed, 21 Oct 2026 07:28:00 GMT", 1792567680.0


@pytest.mark.parametrize(
    ("ahead_s", "said"),
    [
        (3600, "this machine's clock is 60 min ahead of Google's"),
        (-5400, "this machine's clock is 90 min behind Google's"),
        (301, "this machine's clock is 5 min ahead of Google's"),
        (300, ""),
        (-300, ""),
    ],
)
def test_how_far(ahead_s: float, said: str) -> None:
    assert clock.wrong(THERE, "Google's", THERE_UNIX + ahead_s) == said


@pytest.mark.parametrize("date", [None, "", "yesterday", "Wed, 99 Oct 2026 07:28:00 GMT"])
def test_who_does_not_say_what_time_it_is_there_is_not_judged(date: str | None) -> None:
    assert clock.wrong(date, "Google's", THERE_UNIX) == ""
