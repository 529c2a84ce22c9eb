"""The rehearsed spot market: which instance of a gang is taken, and when. Pure; the caller brings the recorded hold times."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

REASON = "reclaimed by the rehearsed spot market"


class Market(msgspec.Struct, frozen=True):
    """How a rehearsal takes instances back.

    `hold_times_s` are recorded seconds between getting a spot instance and losing it. They are divided by `time_scale`; what then lies outside
    `window_s` (seconds after launch: earliest, latest) cannot happen in this run. At most `max_reclaims` are drawn in all.
    """

    seed: int
    hold_times_s: tuple[float, ...]
    time_scale: float = 1.0
    window_s: tuple[float, float] = (0.0, float("inf"))
    max_reclaims: int = 1


class Reclaim(msgspec.Struct, frozen=True):
    """The instance of rank `rank` is taken `after_s` seconds after its launch; `hold_s` is the record it was drawn from."""

    rank: int
    after_s: float
    hold_s: float


def draw_reclaim(market: Market, *, gang: str, num_nodes: int, reclaims_so_far: int) -> Reclaim | None:
    """The reclaim that this gang will suffer, or None: the same arguments give the same answer on every machine and version.

    Raises:
        ValueError: the time scale is not positive, the window is empty, or there are no nodes.
    """
    if market.time_scale <= 0:
        raise ValueError(f"a time scale must be positive, not {market.time_scale}")
    if num_nodes < 1:
        raise ValueError(f"a gang has at least one node, not {num_nodes}")
    earliest, latest = market.window_s
    if earliest > latest:
        raise ValueError(f"the window from {earliest} to {latest} seconds is empty")
    if reclaims_so_far >= market.max_reclaims:
        return None
    possible = sorted(hold for hold in market.hold_times_s if earliest <= hold / market.time_scale <= latest)
    if not possible:
        return None
    hold = possible[_uniform(market.seed, gang, "hold", len(possible))]
    return Reclaim(rank=_uniform(market.seed, gang, "rank", num_nodes), after_s=hold / market.time_scale, hold_s=hold)


def scale_into_window(hold_times_s: Sequence[float], window_s: tuple[float, float]) -> float:
    """The time scale at which the median record falls into the middle of the window: how a demo compresses days into seconds.

    Raises:
        ValueError: no records, or a window without a positive middle.
    """
    middle = (window_s[0] + window_s[1]) / 2
    if not hold_times_s or not 0 < middle < float("inf"):
        raise ValueError("a time scale needs recorded hold times and a finite window")
    return sorted(hold_times_s)[len(hold_times_s) // 2] / middle


def _uniform(seed: int, gang: str, purpose: str, below: int) -> int:
    """A number in [0, below) by hashing, so that it depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{seed}/{gang}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % below
