"""The closed form agrees with a simulation that takes machines away one by one."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.optimizer.preemption import Recovery, best_segments, expected_run


def simulate(
    rng: random.Random, work_h: float, hazard: float, recovery: Recovery, segments: int
) -> tuple[float, float, int]:
    """One life of a job: wall hours, billed hours, interruptions."""
    wall = billed = 0.0
    losses = 0
    left = rng.expovariate(hazard)  # until the machine in hand is taken
    ready = False  # whether the job runs on it
    done = 0
    while done < segments:
        need = (0.0 if ready else recovery.restart_h) + work_h / segments
        need += recovery.checkpoint_h if done < segments - 1 else 0.0
        if left >= need:
            wall, billed, left, ready, done = wall + need, billed + need, left - need, True, done + 1
            continue
        wall, billed = wall + left + recovery.downtime_h, billed + left
        left, ready, losses = rng.expovariate(hazard), False, losses + 1
    return wall, billed, losses


@pytest.mark.parametrize(
    ("work_h", "hazard", "recovery"),
    [
        (1.0, 0.5, Recovery(0.25, 0.02, 0.1, 0.05)),
        (10.0, 0.2, Recovery(1.0, 0.05, 0.2, 0.5)),
        (3.0, 1.0, Recovery(math.inf, 0.0, 0.1, 0.1)),
        (0.1, 0.1, Recovery(1.0, 0.01, 0.5, 0.0)),
        (24.0, 0.05, Recovery()),
        (5.0, 2.0, Recovery(None, 0.01, 0.02, 0.3)),
    ],
)
def test_agrees_with_simulation(work_h, hazard, recovery):
    expected = expected_run(work_h, hazard, recovery)
    segments = max(1, round(work_h / expected.checkpoint_interval_h))
    rng = random.Random(20250101)
    lives = [simulate(rng, work_h, hazard, recovery, segments) for _ in range(8000)]
    for values, closed in zip(
        zip(*lives, strict=True), (expected.wall_h, expected.billed_h, expected.interruptions), strict=True
    ):
        error = statistics.stdev(values) / math.sqrt(len(values))
        assert abs(statistics.fmean(values) - closed) < 4 * error + 1e-9


@settings(max_examples=100, deadline=None)
@given(st.floats(0.1, 200), st.floats(1e-5, 1), st.floats(0.001, 0.5), st.floats(0, 1))
def test_chosen_interval_is_the_best_of_all(work_h, hazard, checkpoint_h, restart_h):
    recovery = Recovery(None, checkpoint_h, restart_h)
    chosen = expected_run(work_h, hazard, recovery)
    best = best_segments(work_h, hazard, recovery)
    assert chosen.checkpoint_interval_h == work_h / best
    for segments in {1, max(1, best // 2), best + 1, best + 2, 2 * best, 4 * best}:
        fixed = Recovery(work_h / segments, checkpoint_h, restart_h)
        assert expected_run(work_h, hazard, fixed).billed_h >= chosen.billed_h * (1 - 1e-12)


def test_interval_is_near_youngs_square_root_when_losses_are_rare():
    # Young 1974: sqrt(2 C / hazard), good to first order for C << 1/hazard.
    recovery = Recovery(None, 0.01, 0.1)
    interval = expected_run(1000.0, 1e-3, recovery).checkpoint_interval_h
    assert interval == pytest.approx(math.sqrt(2 * 0.01 / 1e-3), rel=0.02)


def test_without_hazard_it_is_start_work_and_checkpoints():
    run = expected_run(10.0, 0.0, Recovery(2.0, 0.1, 0.5, 9.0))
    assert run.billed_h == run.wall_h == pytest.approx(0.5 + 10 + 4 * 0.1)
    assert run.interruptions == 0


def test_hopeless_is_infinite_and_not_an_error():
    assert expected_run(1e6, 100.0, Recovery(math.inf)).billed_h == math.inf


@given(st.floats(0.1, 50), st.floats(0, 1), st.floats(0, 1))
def test_more_hazard_never_helps(work_h, a, b):
    low, high = sorted((a, b))
    assert expected_run(work_h, low, Recovery()).billed_h <= expected_run(work_h, high, Recovery()).billed_h * (
        1 + 1e-9
    )
