"""Plans a submission as the daemon may carry it out: over the right catalog, refused where no provider here could make it true."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from tradewind.broker.jobs.own_machines import none_answers, offers_now
from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.jobs.quotas import Quotas, bind, no_quotas
from tradewind.broker.planner.reach import Reach
from tradewind.broker.provider import ProviderError
from tradewind.broker.store.records import Options
from tradewind.optimizer.plan import Placement, Plan
from tradewind.optimizer.problem import Edge, Limits, Place, Quota
from tradewind.spec.task import Task

if TYPE_CHECKING:
    from tradewind.broker.planner.asked import Asked
    from tradewind.catalog import Catalog
    from tradewind.catalog.offer import Offer
    from tradewind.optimizer.advice import Advice, Position, Terms

LOCAL, SSH = "local", "ssh"
CLOUDS = ("aws", "azure", "gcp")  # those whose prices the shipped catalog holds
MOST_QUOTA_ROUNDS = 12
FEWEST_RECORDS = 20  # fewer would make every seed draw the same loss


def names_this_machine(task: Task) -> bool:
    """Whether every alternative asks for `infra: local`.

    Raises:
        PlanRefused: some do and some do not.
    """
    local = [resources.infra.cloud == LOCAL for resources in task.resources]
    if any(local) and not all(local):
        raise PlanRefused(
            "resources.any_of: `infra: local` cannot be mixed with clouds yet; name one or the other", "request"
        )
    return all(local)


def catalog_for(task: Task, path: str = "", *, data_dir: str = "") -> Catalog:
    """This machine, or what `local up` made of it in `data_dir`, for `infra: local`; the machines listed there for `infra: ssh`, asked now; else
    the person's catalog at `path`, or the shipped one.

    Raises:
        CatalogError: the person's catalog cannot be used.
        PlanRefused: the task mixes this machine or one's own with clouds, or none of one's own answers.
    """
    from tradewind.catalog import open_catalog

    if names_own_machines(task):
        return _catalog_of(offers_now(data_dir), "your machines")
    if not names_this_machine(task):
        return open_catalog(path or None)
    from tradewind.broker.clouds.local.entry import offers_here

    return _catalog_of(offers_here(data_dir) if data_dir else this_machine_alone(), "this machine")


def this_machine_alone() -> list[Offer]:
    """This machine as it is."""
    from tradewind.broker.clouds.local.machine import this_machine

    return [this_machine()]


def names_own_machines(task: Task) -> bool:
    """Whether every alternative asks for `infra: ssh`, one's own machines.

    Raises:
        PlanRefused: some do and some do not.
    """
    own = [resources.infra.cloud == SSH for resources in task.resources]
    if any(own) and not all(own):
        raise PlanRefused(
            "resources.any_of: `infra: ssh` cannot be mixed with clouds yet; name one or the other", "request"
        )
    return all(own)


def _catalog_of(offers: list[Offer], source: str) -> Catalog:
    from tradewind.catalog.catalog import Catalog
    from tradewind.catalog.tables import split

    digest = hashlib.sha256(source.encode() + b"\0" + msgspec.json.encode(offers)).hexdigest()
    return Catalog(digest, lambda: split(offers), source=source, date="")


async def no_machines() -> list[Offer]:
    """None."""
    return []


def _without(limits: Limits, blocks: tuple[Place, ...], quotas: tuple[Quota, ...] = ()) -> Limits:
    return msgspec.structs.replace(limits, blocks=(*limits.blocks, *blocks), quotas=(*limits.quotas, *quotas))


class CatalogPlanner:
    """Implements the jobs' `Planner` over catalogs that stay open; solving runs beside the loop, one plan at a time."""

    def __init__(
        self,
        reasons: Callable[[], Mapping[str, str]] = dict,
        own_machines: Callable[[], Awaitable[list[Offer]]] = no_machines,
        here: Callable[[], list[Offer]] = this_machine_alone,
        *,
        data_dir: str | None = None,
        quotas: Quotas = no_quotas,
    ) -> None:
        """`reasons` says of every cloud why it cannot be bought from here ("" when it can); it may block for a moment.

        `own_machines` are the offers of the machines that one owns; it may raise ProviderError. `here` are
        the offers of `infra: local`. `data_dir` holds the limits, and the record that plans learn from; None: neither.
        """
        self._reasons = reasons
        self._own_machines = own_machines
        self._here = here
        self._quotas = quotas
        self._data_dir = data_dir
        self._catalogs: dict[str, tuple[str, Catalog]] = {}  # with the fingerprint it was opened under
        self._lock = threading.Lock()

    async def plan(self, task: Task, options: Options, blocks: tuple[Place, ...] = ()) -> Plan:
        """The cheapest plan that can be carried out from here.

        Raises:
            PlanRefused: nothing satisfies the task, or no cloud that would can be used from here, or the catalog cannot be used.
        """
        plan = await self.consider(task, options, blocks)
        if not plan.feasible:
            raise PlanRefused(" ".join(plan.why_infeasible) or "nothing in the catalog satisfies the task")
        return plan

    async def consider(self, task: Task, options: Options, blocks: tuple[Place, ...] = ()) -> Plan:
        """Like `plan`, but a plan that is not feasible is returned with its reasons.

        The accounts' quotas are asked for where it would buy, by amount, and the plan made again under those that are too small.
        """
        machines = await self._offers_of_own(task)
        buys = not options.rehearse and machines is None and not names_this_machine(task)
        small: tuple[Quota, ...] = ()
        for _ in range(MOST_QUOTA_ROUNDS):
            plan = await asyncio.to_thread(self._consider, task, options, blocks, small, machines)
            if not buys or not plan.feasible:
                break
            told = await self._quotas(plan.candidates)
            if not bind(told, plan.candidates[0], task.num_nodes):
                break
            small += tuple(quota for quota in told if quota.limit < task.num_nodes and quota not in small)
        return plan  # at worst one that the launch, which asks too, passes over

    async def _offers_of_own(self, task: Task) -> list[Offer] | None:
        """The offers of one's own machines where the task asks for those; None for a task that does not."""
        if not names_own_machines(task):
            return None
        try:
            offers = await self._own_machines()
        except ProviderError as error:
            raise PlanRefused(str(error), "no_provider") from error
        if not offers:
            raise none_answers()
        return offers

    def _reach(self, task: Task, options: Options) -> Reach | None:
        """The clouds that may be bought from; None for all: a rehearsal looks for no credentials, and this machine needs none."""
        if options.rehearse or names_this_machine(task):
            return None
        reach = Reach(self._reasons())
        if not len(reach):
            missing = "; ".join(f"{cloud}: {reach.why(cloud)}" for cloud in CLOUDS if reach.why(cloud))
            raise PlanRefused(
                f"no cloud can be used from here ({missing}); use --rehearse, infra: local, or see `tradewind check`",
                "no_provider",
            )
        return reach

    async def together(self, tasks: tuple[Task, ...], options: Options, edges: tuple[Edge, ...] = ()) -> Plan:
        """One plan for tasks that have names, each its own; on an edge data moves, which is paid.

        Raises:
            PlanRefused: as `plan` does; some of the tasks name this machine or one's own, and some do not.
        """
        kinds = {(names_this_machine(task), names_own_machines(task)) for task in tasks}
        if len(kinds) > 1:
            raise PlanRefused(
                "the tasks cannot be mixed: some name this machine or your own, and some do not", "request"
            )
        machines = await self._offers_of_own(tasks[0])
        return await asyncio.to_thread(self._together, tasks, options, edges, machines)

    def _together(
        self, tasks: tuple[Task, ...], options: Options, edges: tuple[Edge, ...], machines: list[Offer] | None
    ) -> Plan:
        from tradewind.broker.planner.plan import solved
        from tradewind.broker.planner.workload import aim_of, pose

        with self._planning(tasks[0], options, machines) as (catalog, reach):
            parts = [(task, self._asked(task, catalog, options)) for task in tasks]
            return solved(pose(parts, catalog, clouds=reach, edges=edges), aim_of(parts))

    def _consider(
        self,
        task: Task,
        options: Options,
        blocks: tuple[Place, ...],
        quotas: tuple[Quota, ...],
        machines: list[Offer] | None,
    ) -> Plan:
        from tradewind.broker.planner import plan_task

        with self._planning(task, options, machines) as (catalog, reach):
            asked = self._asked(task, catalog, options)
            plan = plan_task(
                task,
                catalog,
                limits=_without(asked.limits, blocks, quotas),
                clouds=reach,
                hours=asked.hours,
                recovery=asked.recovery,
                wishes=asked.wishes,
                aim=asked.aim,
            )
        return msgspec.structs.replace(plan, defaults_applied=plan.defaults_applied + asked.told)

    def _asked(self, task: Task, catalog: Catalog, options: Options, mine: Placement | None = None) -> Asked:
        from tradewind.broker.jobs.standing import asked_here

        return asked_here(task, catalog, self._data_dir, hours=options.hours, mine=mine, rehearse=options.rehearse)

    @contextlib.contextmanager
    def _planning(
        self, task: Task, options: Options, machines: list[Offer] | None
    ) -> Iterator[tuple[Catalog, Reach | None]]:
        """The catalog to plan over and the clouds in reach, one plan at a time; what planning raises becomes a refusal."""
        from tradewind.broker.jobs.limits import LimitsError
        from tradewind.broker.planner import PlanError
        from tradewind.catalog import CatalogError

        reach = self._reach(task, options) if machines is None else None
        with self._lock:
            try:
                yield (
                    self._catalog(task, options.catalog)
                    if machines is None
                    else _catalog_of(machines, "your machines"),
                    reach,
                )
            except PlanError as error:
                raise PlanRefused(str(error), "request") from error
            except CatalogError as error:
                raise PlanRefused(str(error), "catalog") from error
            except LimitsError as error:
                raise PlanRefused(str(error), "state") from error

    async def what_now(
        self,
        task: Task,
        options: Options,
        position: Position,
        blocks: tuple[Place, ...] = (),
        terms: Terms | None = None,
    ) -> Advice:
        """What a managed job that stands so should hold from now on; its fallbacks are the plan's candidates.

        Ask after a loss, at every tick of `terms.step_h` hours, and when prices change: a deadline is met only if asked that often.

        Raises:
            PlanRefused: what the task asks cannot be planned from here at all.
        """
        machines = await self._offers_of_own(task)
        return await asyncio.to_thread(self._what_now, task, options, position, blocks, terms, machines)

    def _what_now(
        self,
        task: Task,
        options: Options,
        position: Position,
        blocks: tuple[Place, ...],
        terms: Terms | None,
        machines: list[Offer] | None,
    ) -> Advice:
        from tradewind.broker.planner import what_now
        from tradewind.optimizer.advice import Terms

        with self._planning(task, options, machines) as (catalog, reach):
            asked = self._asked(task, catalog, options, mine=position.held)
            return what_now(
                task,
                catalog,
                position,
                terms=terms or Terms(),
                limits=_without(asked.limits, blocks),
                clouds=reach,
                hours=asked.hours,
                recovery=asked.recovery,
                wishes=asked.wishes,
            )

    def _catalog(self, task: Task, path: str) -> Catalog:
        from tradewind.catalog import fingerprint

        here = self._here() if names_this_machine(task) else []  # its machines come and go
        key, seen = (LOCAL, msgspec.json.encode(here).decode()) if here else (f"file:{path}", fingerprint(path or None))
        held = self._catalogs.get(key)
        if held is not None and held[0] == seen:
            return held[1]
        opened = _catalog_of(here, "this machine") if here else catalog_for(task, path)
        if held is not None:  # the file, or what the person imported, changed
            held[1].close()
        self._catalogs[key] = (seen, opened)
        return opened

    def hold_times(self, cloud: str, place: str, instance_type: str) -> tuple[float, ...]:
        """Recorded seconds until a loss: of that place, else of that cloud, else of any (the records cover few places)."""
        from tradewind.catalog import hold_times_s, spot_traces

        recorded = [(series, hold_times_s(series)) for series in spot_traces()]
        for fits in (
            lambda s: (s.cloud, s.zone) == (cloud, place) and s.instance_type == instance_type,
            lambda s: (s.cloud, s.zone) == (cloud, place),
            lambda s: s.cloud == cloud,
            lambda _s: True,
        ):
            found = tuple(hold for series, holds in recorded if fits(series) for hold in holds)
            if len(found) >= FEWEST_RECORDS:
                return found
        return found

    def close(self) -> None:
        """Close every catalog."""
        with self._lock:
            for _, catalog in self._catalogs.values():
                catalog.close()
            self._catalogs.clear()
