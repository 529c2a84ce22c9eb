"""Who plans for jobs, and how a plan is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tradewind.broker.store.records import Options
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.problem import Place
from tradewind.spec.task import Task

if TYPE_CHECKING:
    from tradewind.optimizer.advice import Advice, Position, Terms


class PlanRefused(Exception):  # noqa: N818  the name says what happened
    """There is no plan, or none that may be carried out: one sentence, and a word that programs branch on."""

    def __init__(self, message: str, kind: str = "no_plan") -> None:
        super().__init__(message, kind)
        self.message, self.kind = message, kind

    def __str__(self) -> str:
        return self.message


class Planner(Protocol):
    """Decides where a task goes."""

    async def plan(self, task: Task, options: Options, blocks: tuple[Place, ...] = ()) -> Plan:
        """The cheapest plan without the blocked places; raises PlanRefused."""

    async def what_now(
        self,
        task: Task,
        options: Options,
        position: Position,
        blocks: tuple[Place, ...] = (),
        terms: Terms | None = None,
    ) -> Advice:
        """What a job that stands so should hold from now on; raises PlanRefused."""
