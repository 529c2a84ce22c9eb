"""Who goes next when several jobs want more than there is: the job with the smallest dominant share. Pure.

"Dominant Resource Fairness", Ghodsi et al., NSDI 2011: a job's share is the largest part that it holds of any resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# A job that holds nothing and has waited this long gets the next worker that comes free, even where there is but one.
PATIENCE_S = 0.2
# A job keeps a worker this long before it is asked for it: among many jobs each turn costs a change of workers, which must stay small beside it.
TURN_S = 0.1


class Shares:
    """What jobs hold of one node, in units of its resources."""

    def __init__(self, total: Mapping[str, int], held: Iterable[tuple[str, Mapping[str, int]]] = ()) -> None:
        """held: (job, units) for each lease and actor."""
        self._total = total
        self._held: dict[str, dict[str, int]] = {}
        for job, units in held:
            self.add(job, units)

    def add(self, job: str, units: Mapping[str, int]) -> None:
        """The job holds so much more."""
        mine = self._held.setdefault(job, {})
        for name, amount in units.items():
            mine[name] = mine.get(name, 0) + amount

    def of(self, job: str, more: Mapping[str, int] | None = None, less: Mapping[str, int] | None = None) -> float:
        """The job's dominant share from 0 on, as it would be with so much more or less."""
        mine = self._held.get(job, {})
        names = mine.keys() | (more or {}).keys()
        return max(
            (
                (mine.get(name, 0) + (more or {}).get(name, 0) - (less or {}).get(name, 0)) / self._total[name]
                for name in names
                if self._total.get(name)
            ),
            default=0.0,
        )


@dataclass(frozen=True, slots=True)
class Holding:
    """A lease that its job could give up when the call that runs is done."""

    lease: int
    job: str
    units: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Wish:
    """A worker that a job wants and cannot have now."""

    job: str
    units: Mapping[str, int]
    waited_s: float


def to_yield(shares: Shares, wishes: Iterable[Wish], holdings: Iterable[Holding]) -> tuple[int, str] | None:
    """The lease that a richer job should give up and the job that it is for, or None when things are as even as they can be."""
    wish = min(wishes, key=lambda item: (shares.of(item.job), -item.waited_s), default=None)
    if wish is None:
        return None
    others = [holding for holding in holdings if holding.job != wish.job]
    richest = max(others, key=lambda holding: (shares.of(holding.job), holding.lease), default=None)
    if richest is None:
        return None
    evener = shares.of(richest.job, less=richest.units) >= shares.of(wish.job, more=wish.units)
    starving = shares.of(wish.job) == 0.0 and wish.waited_s >= PATIENCE_S
    return (richest.lease, wish.job) if evener or starving else None
