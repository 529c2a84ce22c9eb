"""What a job costs and how long it takes when its machines can be taken away: expected values in closed form.

Interruptions come as a Poisson process of `hazard` per hour. Work is done in segments, each followed by a checkpoint; an interruption loses
the segment in hand, costs `downtime_h` of waiting for another machine (not billed), then `restart_h` on it (billed, and itself open to
interruption) before the segment starts over. A segment of w hours of work with a checkpoint of C hours then takes in expectation

    E = exp(h R) (1/h + D) (exp(h (w + C)) - 1)                hours of wall time

with h the hazard, R the restart, D the downtime: Bougeret, Casanova, Rabie, Robert, Vivien, "Checkpointing strategies for parallel jobs",
SC 2011, proposition 1. Of that, the part with D is waiting: it is D times the expected number of interruptions. The best number of equal
segments is near h W / (1 + L(-exp(-h C - 1))), L the Lambert function (the same paper, theorem 1); the paper leaves start-up out and pays
for a checkpoint after the last segment, so the neighbours of that number are compared too.
"""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec

# A job is not cut into more segments than this: beyond, the checkpoint of such a job costs nothing worth counting.
MOST_SEGMENTS = 100_000
# Less than one interruption in a hundred million years is none; far smaller numbers would drown in rounding.
NO_HAZARD_PER_H = 1e-12


class Recovery(msgspec.Struct, frozen=True):
    """How a job lives through interruptions. All in hours.

    `checkpoint_interval_h` is work between checkpoints; None lets the best one be chosen, and `math.inf` means none are written.
    `checkpoint_h` is the time that one takes, `restart_h` from a machine being there to the job running again from its checkpoint
    (also paid at the start), `downtime_h` from the loss until another machine is there.
    """

    checkpoint_interval_h: float | None = None
    checkpoint_h: float = 30 / 3600
    restart_h: float = 5 / 60
    downtime_h: float = 2 / 60


class ExpectedRun(msgspec.Struct, frozen=True):
    """Expected hours from launch to end, hours billed, interruptions, and the hours of work between checkpoints that were assumed."""

    wall_h: float
    billed_h: float
    interruptions: float
    checkpoint_interval_h: float


@lru_cache(maxsize=4096)
def expected_run(work_h: float, hazard_per_h: float, recovery: Recovery) -> ExpectedRun:
    """The expected course of `work_h` hours of work under the hazard; infinite where it would never be expected to end.

    With hazard 0 it is start, work and checkpoints. `hazard_per_h` is of the whole gang: nodes times the hazard of one.
    """
    interval = recovery.checkpoint_interval_h
    if interval is None:
        segments = best_segments(work_h, hazard_per_h, recovery)
    else:
        segments = min(max(1, math.ceil(work_h / interval - 1e-9)), MOST_SEGMENTS)
    return _run(work_h, segments, hazard_per_h, recovery)


def best_segments(work_h: float, hazard_per_h: float, recovery: Recovery) -> int:
    """The number of equal segments with the least expected billed time."""
    if hazard_per_h <= NO_HAZARD_PER_H:
        return 1
    near = hazard_per_h * work_h / (1 + _lambert(-math.exp(-hazard_per_h * recovery.checkpoint_h - 1)) or 1e-12)
    best = min(max(1, math.floor(near)), MOST_SEGMENTS)
    cost = _run(work_h, best, hazard_per_h, recovery).billed_h
    for step in (1, -1):
        while 1 <= best + step <= MOST_SEGMENTS:
            other = _run(work_h, best + step, hazard_per_h, recovery).billed_h
            if not other < cost:
                break
            best, cost = best + step, other
    return best


def _run(work_h: float, segments: int, hazard: float, recovery: Recovery) -> ExpectedRun:
    """Segments of equal work; the first one pays for the start, the last one writes no checkpoint."""
    work = work_h / segments
    checkpoint, restart = recovery.checkpoint_h, recovery.restart_h
    if hazard <= NO_HAZARD_PER_H:
        billed = restart + work_h + checkpoint * (segments - 1)
        return ExpectedRun(billed, billed, 0.0, work)
    try:
        # In the first segment the start is part of what must be got through at once, so nothing precedes a retry of it.
        losses = math.expm1(hazard * (restart + work + (checkpoint if segments > 1 else 0.0)))
        again = math.exp(hazard * restart)
        losses += max(0, segments - 2) * again * math.expm1(hazard * (work + checkpoint))
        losses += again * math.expm1(hazard * work) if segments > 1 else 0.0
    except OverflowError:
        return ExpectedRun(math.inf, math.inf, math.inf, work)
    billed = losses / hazard
    return ExpectedRun(billed + recovery.downtime_h * losses, billed, losses, work)


def _lambert(x: float) -> float:
    """The principal branch of the Lambert function on [-1/e, 0): the w >= -1 with w exp(w) = x, by Halley's iteration."""
    p = math.sqrt(max(0.0, 2 * (math.e * x + 1)))
    w = -1 + p - p * p / 3  # the series at the branch point, Corless et al. 1996, (4.22)
    for _ in range(50):
        e = math.exp(w)
        f = w * e - x
        slope = e * (w + 1)
        if abs(f) < 1e-16 or slope == 0:
            break
        w -= f / (slope - (w + 2) * f / (2 * w + 2))
    return w
