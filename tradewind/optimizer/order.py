"""The total order over candidates that makes a plan depend on content alone: cheaper, then lower risk, then names.

Two problems with the same rows in another order, or run under another hash seed, give the same plan because every pass sorts by this.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import msgspec

from tradewind.optimizer.money import nano_usd
from tradewind.optimizer.problem import Candidate

# A spot offer of which no source says how often it is interrupted is ordered as if it stood in the worst band of the Spot Advisor
# (over 20 % a month, taken as 22.5 %): -ln(1 - 0.225) / 730 h = 3.5e-4 interruptions/hour.
UNKNOWN_RISK_PER_H = 3.5e-4

Key = tuple[int, int, str, str, str, str, bool, int]


def risk_micro_per_h(candidate: Candidate) -> int:
    """Expected interruptions per million hours of one node; 0 on demand."""
    if not candidate.use_spot:
        return 0
    risk = candidate.offer.spot_risk_per_h
    return round((UNKNOWN_RISK_PER_H if risk is None else risk) * 1_000_000)


def candidate_key(candidate: Candidate) -> Key:
    """Cheaper, then lower risk, then cloud, region, zone, type, on demand first, earlier alternative."""
    offer = candidate.offer
    return (
        nano_usd(candidate.hourly_usd),
        risk_micro_per_h(candidate),
        offer.cloud,
        offer.region,
        offer.zone,
        offer.instance_type,
        candidate.use_spot,
        candidate.alternative,
    )


def sorted_candidates(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates in the total order; rows that agree in every named part are told apart by their whole content."""
    ranked = sorted(candidates, key=candidate_key)
    settled: list[Candidate] = []
    for _, run in groupby(ranked, key=candidate_key):
        same = list(run)
        settled += same if len(same) == 1 else sorted(same, key=lambda c: repr(msgspec.structs.astuple(c.offer)))
    return settled
