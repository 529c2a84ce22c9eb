"""Plans as people ask for them: around what has refused lately, at a price that was accepted, or refused with the reason."""

from __future__ import annotations

import asyncio
import math

from tradewind.broker.jobs.driver import missing_files
from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.jobs.strategy import plan_around
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision.refused import about, every_place_refused
from tradewind.broker.provision.services import Services, log
from tradewind.broker.server.requests import JobRequest, LaunchRequest, PlanRequest, Refusal
from tradewind.broker.store import rows
from tradewind.broker.store.records import BlockRow, Options
from tradewind.optimizer.plan import Plan
from tradewind.spec.built import Use, not_built
from tradewind.spec.task import Task

CHECK_S = 15.0  # for a cloud to say whether it can be used again; a few questions, which take a second or two
PRICE_TOLERANCE = 1e-9  # relative: a price that went through JSON and back is still the same price


def check_built(task: Task, use: Use) -> None:
    """Raise Refusal where the task asks for something that is not there yet."""
    for sentence in not_built(task, use):
        raise Refusal(sentence, "request")


class PlanDesk:
    """What `launch`, `jobs launch` and `plan` ask of the planner."""

    def __init__(self, services: Services, planner: CatalogPlanner) -> None:
        self._services, self._planner = services, planner

    async def plan(self, asked: PlanRequest) -> Plan:
        """The plan as a launch would make it now. Raises Refusal."""
        check_built(asked.task, "plan")
        await self._ask_again(asked)
        try:
            return await self._around_blocks(asked.task, asked.options())
        except PlanRefused as error:
            if error.kind != "no_plan":
                raise Refusal(str(error), error.kind) from error
        return await self._without_blocks(asked.task, asked.options())

    async def to_buy(self, asked: LaunchRequest | JobRequest) -> Plan:
        """A plan that costs no more than what was accepted. Raises Refusal."""
        check_built(asked.task, "job" if isinstance(asked, JobRequest) else "launch")
        missing = missing_files(asked.task)
        if missing:
            raise Refusal(missing, "request")
        await self._ask_again(asked)
        plan = await self._that_can_be(asked)
        if plan.hourly_usd > asked.accepted_hourly_usd * (1 + PRICE_TOLERANCE):
            raise Refusal(
                f"the cheapest plan costs {plan.hourly_usd:.6g} USD/h now, more than the {asked.accepted_hourly_usd:.6g} USD/h that was accepted",
                "price",
                "look at the plan again",
            )
        return plan

    async def _ask_again(self, asked: PlanRequest | LaunchRequest | JobRequest) -> None:
        """No cloud is left alone for a login or permission that it has accepted meanwhile: whoever asks for a plan has perhaps just mended it."""
        if asked.rehearse:
            return
        doubted = {block.cloud for block in self._blocks() if block.kind == "permission" and not block.region}
        await asyncio.gather(*(self._lift_if_it_works(cloud) for cloud in doubted))

    async def _lift_if_it_works(self, cloud: str) -> None:
        try:
            async with asyncio.timeout(CHECK_S):
                await self._services.providers[cloud].check()
        except (ProviderError, TimeoutError) as error:
            log.info("%s is left alone still: %s", cloud, error)
            return
        await self._services.apply(lambda ledger: rows.lift_blocks(ledger.connection, cloud, "permission"))

    async def _that_can_be(self, asked: LaunchRequest | JobRequest) -> Plan:
        """The plan around what has refused lately; for a launch that waits for a place, the one without where that leaves none. Raises Refusal."""
        try:
            return await self._around_blocks(asked.task, asked.options())
        except PlanRefused as error:
            refused = error
        if refused.kind != "no_plan" or asked.rehearse:
            raise Refusal(str(refused), refused.kind) from refused
        plan = await self._without_blocks(asked.task, asked.options())
        blocks = about(plan.candidates, self._blocks())
        if not plan.feasible or not blocks:
            raise Refusal(str(refused), refused.kind) from refused
        if asked.options().retry_until_up:
            return plan
        minutes = math.ceil((min(block.until_unix for block in blocks) - self._services.now()) / 60)
        waits = "; --retry-until-up waits for one" if isinstance(asked, LaunchRequest) else ""
        hint = f"the next is asked again in {minutes} minute{'s' if minutes > 1 else ''}{waits}"
        raise Refusal(f"not long ago {every_place_refused(plan.candidates, blocks)}", "no_plan", hint) from refused

    async def _around_blocks(self, task: Task, options: Options) -> Plan:
        """The cheapest plan around the places that have refused or lost something lately; a rehearsal starts with a clean slate."""
        return await plan_around(self._planner, task, options, [] if options.rehearse else self._blocks())

    async def _without_blocks(self, task: Task, options: Options) -> Plan:
        """The plan as if no place had refused; its reasons where there is none. Raises Refusal."""
        try:
            return await self._planner.consider(task, options)
        except PlanRefused as error:
            raise Refusal(str(error), error.kind) from error

    def _blocks(self) -> list[BlockRow]:
        """What every launch leaves alone for now."""
        now = self._services.now()
        return self._services.store.read(lambda c: rows.blocks(c, now=now, cluster_id=None))
