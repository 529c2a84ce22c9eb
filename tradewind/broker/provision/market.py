"""The rehearsed spot market: arms each gang's drawn reclaim at a provider that can play it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast

from tradewind.broker.clouds.local.market import REASON, Market, draw_reclaim, scale_into_window
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import rows
from tradewind.broker.store.records import ClusterRow, InstanceRow
from tradewind.broker.store.spend import ENDED

HoldTimes = Callable[[str, str, str], tuple[float, ...]]  # (cloud, zone or region, instance type) -> recorded seconds
FOREVER_S = float("inf")


class _Rehearsing(Protocol):
    async def reclaim_at(self, provider_id: str, at_unix: float) -> None: ...


class Appointment(NamedTuple):
    """The instance that the market takes at a second (Unix time), announced `notice_s` seconds before (0: not at all)."""

    row: InstanceRow
    at_unix: float
    notice_s: float


class MarketDesk:
    """Draws reclaims for rehearsed spot gangs; `hold_times` brings the records."""

    def __init__(self, hold_times: HoldTimes) -> None:
        self._hold_times = hold_times

    async def arm(
        self, services: Services, cluster: ClusterRow, instances: Sequence[InstanceRow]
    ) -> Appointment | None:
        """If this gang shall lose an instance, its provider has the appointment; armed twice it is the same one."""
        asked = cluster.options.market
        if asked is None or not instances or not instances[0].use_spot:
            return None
        offer = instances[0].offer
        holds = self._hold_times(offer.cloud, offer.zone or offer.region, offer.instance_type)
        if not holds:
            return None
        window = asked.window_s or (0.0, FOREVER_S)
        scale = asked.time_scale if asked.time_scale is not None else scale_into_window(holds, window)
        market = Market(
            seed=asked.seed, hold_times_s=holds, time_scale=scale, window_s=window, max_reclaims=asked.max_reclaims
        )
        reclaims = _reclaims(services, cluster)
        drawn = draw_reclaim(market, gang=f"try {cluster.tries}", num_nodes=len(instances), reclaims_so_far=reclaims)
        if drawn is None:
            return None
        victim = next(row for row in instances if row.rank == drawn.rank)
        stood_s = 0.0 if victim.launched_unix is None else services.metered() - victim.launched_unix
        at = services.now() - stood_s + drawn.after_s
        log.info("rank %d of %s will be reclaimed %.1f s after its launch", drawn.rank, cluster.name, drawn.after_s)
        provider: Any = services.providers[victim.provider]
        await cast("_Rehearsing", provider).reclaim_at(victim.provider_id, at)
        return Appointment(victim, at, asked.notice_s)


def _reclaims(services: Services, cluster: ClusterRow) -> int:
    """How many instances the market has taken of this cluster, or of its managed job wherever that has stood; those it left in time included."""
    job_id = cluster.managed_job_id
    if job_id is None:
        taken = services.store.read(lambda c: rows.instances_of(c, cluster.id, live_only=False))
        return sum(1 for row in taken if row.reason == REASON)
    ends = services.store.read(lambda c: rows.events(c, managed_job_id=job_id, kinds=(ENDED,)))
    attempts = services.store.read(lambda c: rows.attempts_of(c, job_id))
    job = services.store.read(lambda c: rows.managed_job(c, job_id))
    leaving = job is not None and bool(job.course.moving)  # this is the place that it moves to
    return (
        sum(1 for fact in ends if fact.data.get("reason") == REASON)
        + sum(1 for one in attempts if one.end == "moved")
        + leaving
    )
