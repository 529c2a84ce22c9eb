from __future__ import annotations

import csv
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.catalog import SpotSeries, hold_times_s, spot_traces
from tradewind.catalog.snapshot import DATA_DIRECTORY


def series(*points: tuple[float, int]) -> SpotSeries:
    return SpotSeries("t", "preemption", "aws", "z", "m", 1, "2023-01-01", 30.0, points)


def test_all_recorded_series_are_there_and_agree_with_their_index() -> None:
    found = spot_traces()
    with open(os.path.join(DATA_DIRECTORY, "spot_traces_index.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(found) == len(rows) == 34
    for each, row in zip(found, rows, strict=True):
        times = [time_s for time_s, _ in each.points]
        assert times == sorted(times)
        assert max(value for _, value in each.points) == int(row["max_value"])
        held = sum((b[0] - a[0]) * a[1] for a, b in zip(each.points, each.points[1:], strict=False))
        share = held / (times[-1] - times[0]) / each.nodes
        assert share == pytest.approx(float(row["mean_fraction"]), abs=0.03)


def test_recorded_holds_are_real_durations() -> None:
    holds = [hold for each in spot_traces() if each.kind == "preemption" for hold in hold_times_s(each)]
    assert len(holds) > 500
    assert min(holds) > 0


@pytest.mark.parametrize(
    ("points", "holds"),
    [
        ([(0, 0), (10, 1), (40, 0), (50, 0)], (30,)),
        ([(0, 1), (10, 0), (50, 1), (90, 1)], ()),  # held at the start, held at the end: neither length is known
        ([(0, 0), (10, 4), (30, 3), (50, 0), (60, 0)], (20, 20)),
        ([(0, 0), (10, 1), (20, 2), (30, 0)], (20,)),
        ([(0, 0), (5, 0)], ()),
        ([], ()),
    ],
)
def test_hold_times(points: list[tuple[float, int]], holds: tuple[float, ...]) -> None:
    assert hold_times_s(series(*points)) == holds


@given(st.lists(st.integers(0, 3), max_size=30))
def test_holds_fit_into_the_record(values: list[int]) -> None:
    holds = hold_times_s(series(*((float(n), value) for n, value in enumerate(values))))
    assert sum(holds) <= max(len(values) - 1, 0)
    assert all(hold > 0 for hold in holds)
