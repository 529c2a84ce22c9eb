"""The daemon's figures in Prometheus' text format, by its own client library."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.provision.usage import UsageBoard
from tradewind.broker.store import costs, history, listing, waiting

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WORLDS = {False: "real", True: "rehearsed"}
# Seconds from the order to launch to a cluster that is up: local processes take one, clouds with a GPU image ten minutes.
LATENCY_BOUNDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class Figures:
    """What is shown; launches are counted since it was made (a restart begins anew, as counters may)."""

    def __init__(self, usage: UsageBoard) -> None:
        self._usage = usage
        self._seen: int | None = None
        self._launches = [0] * (len(LATENCY_BOUNDS) + 1)
        self._launch_s = 0.0

    def page(self, connection: Connection, now: float) -> bytes:
        """All figures at the Unix second `now` by the meter."""
        from prometheus_client import CollectorRegistry, generate_latest

        self._count_launches(connection)
        registry = CollectorRegistry()
        registry.register(_Collected(list(self._families(connection, now))))
        return bytes(generate_latest(registry))

    def _count_launches(self, connection: Connection) -> None:
        if self._seen is None:
            self._seen = history.newest(connection)
            return
        self._seen, took = history.launches(connection, self._seen)
        for seconds in took:
            self._launches[bisect.bisect_left(LATENCY_BOUNDS, seconds)] += 1
            self._launch_s += seconds

    def _families(self, connection: Connection, now: float) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        counts = listing.counts(connection)
        jobs = GaugeMetricFamily("tradewind_managed_jobs", "Managed jobs by state.", labels=["state"])
        for state in mm.STATES:
            jobs.add_metric([state], counts.get(state, 0))
        yield jobs
        recovered = listing.recoveries(connection)
        yield CounterMetricFamily("tradewind_recoveries", "Losses that managed jobs came back from.", value=recovered)
        yield from self._money(connection, now)
        summed = 0
        buckets = []
        for bound, count in zip((*map(str, LATENCY_BOUNDS), "+Inf"), self._launches, strict=True):
            summed += count
            buckets.append((bound, summed))
        said = "Seconds from the order to launch to a cluster that is up."
        yield HistogramMetricFamily("tradewind_launch_seconds", said, buckets=buckets, sum_value=self._launch_s)
        used = list(self._usage.by_job(now).values())
        shares = [share for one in used for share in one.accelerators]
        yield GaugeMetricFamily("tradewind_used_cpus", "Cores that running jobs use.", value=sum(u.cpus for u in used))
        memory = sum(u.memory_gib for u in used) * 2**30
        yield GaugeMetricFamily("tradewind_used_memory_bytes", "Resident memory of running jobs.", value=memory)
        yield GaugeMetricFamily("tradewind_accelerators", "GPUs of the nodes that jobs run on.", value=len(shares))
        yield GaugeMetricFamily("tradewind_busy_accelerators", "The shares of time in which they compute, added up.", value=sum(shares))  # fmt: skip

    def _money(self, connection: Connection, now: float) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        spent, load = costs.totals(connection, now), waiting.load(connection)
        labels = ["money"]
        planned = GaugeMetricFamily(
            "tradewind_planned_usd_per_hour", "What the active managed jobs' plans cost together.", labels=labels
        )
        rate = GaugeMetricFamily(
            "tradewind_spend_usd_per_hour", "What the instances of managed jobs cost now.", labels=labels
        )
        total = CounterMetricFamily(
            "tradewind_spend_usd", "What managed jobs have cost since this record began.", labels=labels
        )
        for world, name in _WORLDS.items():
            planned.add_metric([name], load[world].hourly_usd)
            rate.add_metric([name], float(spent[world].usd_h))
            total.add_metric([name], float(spent[world].usd))
        yield from (planned, rate, total)


class _Collected:
    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        """What a registry asks its collectors."""
        return self._families
