"""What a table of clusters says of each."""

from __future__ import annotations

from typing import Any

import pytest

from tradewind.cli import rows

NOW = 1_000_000.0


def said(state: str, **more: Any) -> str:
    row = {
        "name": "tea",
        "state": state,
        "num_nodes": 1,
        "place": "aws/r1/z1",
        "instance_type": "c5.large",
        "hourly_usd": 0.25,
    }
    return rows.clusters_table([{**row, "created_unix": NOW - 60, **more}], NOW)


@pytest.mark.parametrize("state", ["STOPPED", "PREEMPTED", "FAILED"])
def test_what_does_not_run_is_not_paid_by_the_hour(state: str) -> None:
    assert "0.25" not in said(state)
    assert "0.25" in said("UP")


def test_when_and_by_what_it_was_lost() -> None:
    told = said("PREEMPTED", why="AWS took the instance back", lost_unix=NOW)
    assert "tea: preempted at 1970-01-12 " in told
    assert told.endswith(": AWS took the instance back")
    assert "preempted: nobody says why" in said("PREEMPTED")


def test_when_it_stops_by_itself() -> None:
    assert said("UP", autostop_minutes=10.0).endswith("tea: stops after 10 idle minutes")
    assert said("UP", autostop_minutes=0.5, autostop_down=True).endswith("tea: ends after 0.5 idle minutes")
    assert "idle" not in said("UP", autostop_minutes=None)
    assert "idle" not in said("STOPPED", autostop_minutes=10.0)


def test_what_it_waits_for_comes_before_why_it_failed() -> None:
    assert said("FAILED", why="every place was refused").endswith("tea: every place was refused")
    assert said("TERMINATING", why="earlier", waiting_for="aws to answer").endswith("tea: aws to answer")
