"""A busy team's year, replayed in seconds: nothing is lost, doubled, or over its limits, and whatever can end does."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.broker.simulator import CHECKPOINT_S, Year
from tradewind.broker.jobs.limits import Limits
from tradewind.broker.lifecycle import managed_job as mm


@pytest.mark.parametrize(("seed", "days"), [(1, 365.0), (2, 20.0)])
def test_a_year(seed, days):
    year = Year(seed, jobs=6000, days=days, limits=Limits(max_active_jobs=40, max_hourly_cost=15.0))
    year.run()
    states = Counter(life.machine.state for life in year.lives.values())
    assert len(year.lives) == 6000
    assert set(states) <= mm.FINAL, "no job waits for ever"
    assert states["SUCCEEDED"] > 4500
    assert states["FAILED_SETUP"] > 10
    assert all(life.ends == 1 for life in year.lives.values())
    for life in year.lives.values():
        if life.machine.state == "SUCCEEDED":
            assert life.need_s - 1e-3 <= life.worked_s <= life.need_s + life.losses * CHECKPOINT_S + 1e-3
            assert life.machine.recoveries <= life.losses
        if life.budget_usd is not None:
            assert life.spent <= life.budget_usd + 0.05, "the set-up of its last attempt may be in it"
        if life.dies_in_setup:
            assert life.machine.attempt <= mm.MAX_SETUP_DEATHS * (1 + life.machine.course.restarts)
    assert year.most_active == 30 or days > 100, "a crowd fills the cap to the brim"
