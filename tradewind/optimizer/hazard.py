"""How often a spot machine is taken away: what is published, and what was seen, as one figure with its uncertainty.

Losses of machines held for t hours are Poisson with rate h t. What is published gives a Gamma prior with that mean; k losses in t hours
then make the posterior mean (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.6)

    h = (a + k) / (a / published + t)

The shape a says how far a place may lie from what is published. It is the maximum-likelihood one over the recorded markets in which machines
were held (14 zones of AWS and Google, 2023), each with the hours held, the losses, and its published band: 0.0008, taken as 0.001. It is
small because those places lost machines up to a thousand times as often as the bands say; a published band counts as no more than some 3 hours (the
worst) to 29 hours (the best) of one's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

import msgspec

PRIOR_SHAPE = 0.001
CREDIBLE = 0.90  # of the interval that is told
NORMAL_QUANTILE = 1.6448536269514722  # of (1 + CREDIBLE) / 2
EXACT_TO = 200


class Hazard(msgspec.Struct, frozen=True):
    """Interruptions/hour of one node, with what they rest on: `losses` in `hours` of one's own there, and what is `published` (None: nothing).

    `low_per_h` and `high_per_h` hold the true rate with 90 % confidence by one's own hours alone (exact Poisson limits, Garwood 1936).
    """

    per_h: float
    hours: float
    losses: int
    published_per_h: float | None
    low_per_h: float
    high_per_h: float


class Seen(msgspec.Struct, frozen=True):
    """What was seen of one type at one place on spot: hours that machines were held, and how many of them were taken away."""

    cloud: str
    region: str
    zone: str
    instance_type: str
    hours: float
    losses: int


def learnt(seen: Iterable[Seen], published_per_h: float | None, unknown_per_h: float) -> Hazard | None:
    """The hazard by what was seen and what is published (`unknown_per_h` where nothing is); None when nothing was seen."""
    rows = tuple(seen)
    hours, losses = math.fsum(row.hours for row in rows), sum(row.losses for row in rows)
    if not hours > 0:
        return None
    prior = unknown_per_h if published_per_h is None else published_per_h
    before_h = PRIOR_SHAPE / prior if prior > 0 else math.inf
    mean = (PRIOR_SHAPE + losses) / (before_h + hours) if math.isfinite(before_h) else 0.0
    low, high = (limit / hours for limit in poisson_limits(losses))
    return Hazard(mean, hours, losses, published_per_h, low, high)


@lru_cache(maxsize=1024)
def poisson_limits(count: int) -> tuple[float, float]:
    """The least and the most that the expectation of a Poisson count may be with 90 % confidence: Garwood, Biometrika 28:437, 1936.

    Exact up to a count of `EXACT_TO`; beyond by Byar's approximation (Breslow, Day, Statistical Methods in Cancer Research II, 1987, 2.13),
    which is then within a millionth.
    """
    if count > EXACT_TO:
        return _byar(count, -1), _byar(count + 1, 1)
    tail = (1 - CREDIBLE) / 2
    low = 0.0 if not count else _where(lambda mean: 1 - _at_most(count - 1, mean), tail, count)
    return low, _where(lambda mean: 1 - _at_most(count, mean), 1 - tail, count)


def _byar(n: int, sign: int) -> float:
    root: float = 1 - 1 / (9 * n) + sign * NORMAL_QUANTILE / (3 * math.sqrt(n))
    return n * root**3


def _at_most(count: int, mean: float) -> float:
    """The probability that a Poisson variable of this mean is no more than `count`."""
    if mean <= 0:
        return 1.0
    return min(math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)), 1.0)


def _where(rising: Callable[[float], float], value: float, count: int) -> float:
    """The mean at which the rising probability reaches the value, by bisection."""
    low, high = 0.0, 2.0 * count + 10.0
    while rising(high) < value:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if rising(middle) < value:
            low = middle
        else:
            high = middle
    return high


class Experience(msgspec.Struct, frozen=True):
    """All that was seen."""

    rows: tuple[Seen, ...] = ()

    @property
    def losses(self) -> int:
        """Machines taken away, anywhere."""
        return sum(row.losses for row in self.rows)

    def at(self, cloud: str, region: str, zone: str, instance_type: str) -> tuple[Seen, ...]:
        """What was seen of the type at the place; of a whole region where `zone` is ""."""
        wanted = (cloud, region, instance_type)
        return tuple(
            row
            for row in self.rows
            if (row.cloud, row.region, row.instance_type) == wanted and (not zone or row.zone == zone)
        )


NOTHING_SEEN = Experience()
