"""Runs brokers over a scripted cloud inside one loop: start, interrupt, start again, wait for conditions."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec

from tests.broker.scripted import ScriptedCloud
from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.provision.boundary import Boundary, no_boundary
from tradewind.broker.server.broker import Broker
from tradewind.broker.server.requests import JobRequest, LaunchRequest
from tradewind.broker.store import rows
from tradewind.broker.store.database import Store
from tradewind.broker.store.records import Options
from tradewind.catalog.offer import Offer
from tradewind.optimizer.advice import Advice
from tradewind.optimizer.plan import Certificate, Placement, Plan, RankedCandidate
from tradewind.optimizer.problem import Edge, Place
from tradewind.spec.task import Resources, Task

DEADLINE_S = 80.0


def offer(zone: str = "a", *, price: float = 0.1, region: str = "r1", cloud: str = "aws") -> Offer:
    return Offer(
        cloud=cloud,
        region=region,
        zone=zone,
        instance_type="m1",
        arch="x86_64",
        vcpus=2,
        memory_gib=4,
        accelerator="",
        accelerator_count=0,
        accelerator_memory_gib=None,
        price_ondemand_usd_h=price * 3,
        price_spot_usd_h=price,
    )


def ranked(one: Offer, nodes: int = 1) -> RankedCandidate:
    return RankedCandidate(
        task="t",
        cloud=one.cloud,
        region=one.region,
        zone=one.zone,
        instance_type=one.instance_type,
        use_spot=True,
        hourly_usd=(one.price_spot_usd_h or 0) * nodes,
        reason="",
        offer=one,
    )


def placement(what: Task, at: RankedCandidate) -> Placement:
    return Placement(
        task=what.name or "t",
        cloud=at.cloud,
        region=at.region,
        zone=at.zone,
        instance_type=at.instance_type,
        use_spot=at.use_spot,
        num_nodes=what.num_nodes,
        hourly_usd=at.hourly_usd,
        total_usd=at.hourly_usd,
        hours=1.0,
        offer=at.offer,
    )


class FixedPlanner:
    """Ranks a fixed list of offers by price, without the blocked ones."""

    def __init__(self, offers: tuple[Offer, ...] = (offer("a"), offer("b", price=0.2), offer("c", price=0.3))) -> None:
        self.offers = offers
        self.asked: list[tuple[Place, ...]] = []

    async def plan(self, task: Task, options: Options, blocks: tuple[Place, ...] = ()) -> Plan:
        self.asked.append(blocks)
        left = [one for one in self.offers if not any(b.matches(one, use_spot=True) for b in blocks)]
        if not left:
            raise PlanRefused("nothing is left")
        candidates = tuple(ranked(one, task.num_nodes) for one in left)
        return Plan(
            feasible=True,
            hourly_usd=candidates[0].hourly_usd,
            total_usd=candidates[0].hourly_usd,
            placements=(),
            candidates=candidates,
            certificate=Certificate(objective=0.1, bound=0.1, gap=0.0, seconds=0.0, solver="none", columns=1, rows=1),
            offers_considered=len(self.offers),
        )

    consider = plan

    async def together(self, tasks: tuple[Task, ...], options: Options, edges: tuple[Edge, ...] = ()) -> Plan:
        plans = [await self.plan(task, options) for task in tasks]
        return msgspec.structs.replace(
            plans[0],
            placements=tuple(placement(task, plan.candidates[0]) for task, plan in zip(tasks, plans, strict=True)),
            hourly_usd=sum(plan.hourly_usd for plan in plans),
            candidates=(),
        )

    async def what_now(self, *_: object) -> Advice:
        return Advice("stay", None, "it is well where it is")

    def hold_times(self, cloud: str, place: str, instance_type: str) -> tuple[float, ...]:
        return ()

    def close(self) -> None:
        pass


def task(run: str = "exit 0", *, nodes: int = 1, setup: str | None = None, run_on: str = "all") -> Task:
    return Task(name="t", num_nodes=nodes, run=run, setup=setup, run_on=run_on, resources=(Resources(use_spot=True),))  # type: ignore[arg-type]


def job_request(what: Task, **more: object) -> JobRequest:
    return JobRequest(task=what, accepted_hourly_usd=100.0, rehearse=True, **more)  # type: ignore[arg-type]


def launch_request(what: Task, cluster: str = "c") -> LaunchRequest:
    return LaunchRequest(task=what, accepted_hourly_usd=100.0, rehearse=True, cluster=cluster)


class Running:
    """A broker and its store, on a cloud that outlives both."""

    def __init__(
        self,
        directory: str,
        cloud: ScriptedCloud,
        *,
        boundary: Boundary = no_boundary,
        planner: CatalogPlanner | FixedPlanner | None = None,
        clock: Callable[[], float] = time.time,
        meter: Callable[[], float] | None = None,
    ) -> None:
        self.cloud = cloud
        self.store = Store(os.fspath(directory))
        self.planner: Any = planner or FixedPlanner()
        self.broker = Broker(self.store, {"local": cloud}, self.planner, boundary=boundary, clock=clock, meter=meter)  # type: ignore[arg-type]

    async def __aenter__(self) -> Self:
        await self.broker.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.abandon()

    async def abandon(self) -> None:
        """Let everything go as a dead process would: nothing is tidied on the cloud or in the record."""
        await self.broker.stop()
        self.store.close()

    def cluster_state(self, name: str = "c") -> str:
        return self.broker.cluster(name).state

    def job_state(self, job_id: int = 1) -> str:
        return self.broker.managed_job(job_id).state

    def kinds(self, **about: object) -> list[str]:
        return [event.kind for event in self.store.read(lambda c: rows.events(c, **about))]  # type: ignore[arg-type]

    async def until(self, what: str, holds: Callable[[], bool]) -> None:
        await until(what, holds, self.describe)

    def describe(self) -> str:
        clusters = self.store.read(lambda c: rows.clusters(c, live_only=False))
        jobs = self.store.read(rows.managed_jobs)
        events = self.store.read(rows.events)
        return "; ".join(
            [
                *(f"{c.name} {c.state} {c.why}" for c in clusters),
                *(f"job {j.id} {j.state} {j.why}" for j in jobs),
                *(f"{e.subject} {e.kind} {e.data.get('why', '')}" for e in events[-12:]),
                f"on the cloud: {self.cloud.running()}",
            ]
        )


async def until(what: str, holds: Callable[[], bool], describe: Callable[[], str] = str) -> None:
    """Return once it holds; fail with what was found after DEADLINE_S."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {DEADLINE_S} s; {describe()}")
        await asyncio.sleep(0.005)


def run(scenario: Awaitable[None]) -> None:
    """Run on a fresh loop, bounded."""

    async def bounded() -> None:
        await asyncio.wait_for(scenario, 60)

    asyncio.run(bounded())
