"""The total order over candidates that makes a plan depend on content alone: cheaper, then lower risk, then names.

Two problems with the same rows in another order, or run under another hash seed, give the same plan because every pass sorts by this.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import msgspec

from tradewind.optimizer.cost import risk_micro_per_h, score_nano
from tradewind.optimizer.problem import Candidate, Request

Key = tuple[int, int, str, str, str, str, bool, int, int, str]


def candidate_key(request: Request, candidate: Candidate) -> Key:
    """Cheaper, then lower risk, then cloud, region, zone, type, on demand first, earlier alternative."""
    offer = candidate.offer
    return (
        score_nano(request, candidate),
        risk_micro_per_h(candidate),
        offer.cloud,
        offer.region,
        offer.zone,
        offer.instance_type,
        candidate.use_spot,
        candidate.alternative,
        candidate.free_nodes,
        candidate.reservation,
    )


def sorted_candidates(request: Request, candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates in the total order; rows that agree in every named part are told apart by their whole content."""
    keyed = sorted(((candidate_key(request, c), c) for c in candidates), key=_key)
    settled: list[Candidate] = []
    for _, run in groupby(keyed, key=_key):
        same = [c for _, c in run]
        settled += same if len(same) == 1 else sorted(same, key=lambda c: repr(msgspec.structs.astuple(c.offer)))
    return settled


def _key(pair: tuple[Key, Candidate]) -> Key:
    return pair[0]
