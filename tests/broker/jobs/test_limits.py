"""A person's limits: read anew when they change, refused in one sentence."""

from __future__ import annotations

import os

import pytest

from tradewind.broker.jobs.limits import FILE_NAME, Limits, LimitsError, LimitsFile, parse_limits


def test_they_are_read_anew_when_the_file_changes(tmp_path):
    file = LimitsFile(str(tmp_path))
    assert file.read() == Limits()
    (tmp_path / FILE_NAME).write_text("max_active_jobs: 3\nmax_hourly_cost: 2.5\n")
    assert file.read() == Limits(max_active_jobs=3, max_hourly_cost=2.5)
    (tmp_path / FILE_NAME).write_text("budget: 10\n")
    os.utime(tmp_path / FILE_NAME, ns=(1, 1))
    assert file.read() == Limits(budget=10)
    (tmp_path / FILE_NAME).unlink()
    assert file.read() == Limits()


@pytest.mark.parametrize(
    "text", ["budgett: 3", "budget: -1", "max_active_jobs: 0", "max_active_jobs: many", "[1]", "a: [", "budget: .inf"]
)
def test_what_is_wrong_is_said_in_one_sentence(text):
    with pytest.raises(LimitsError, match=r"limits.yaml: ") as caught:
        parse_limits(text)
    assert "\n" not in str(caught.value)
