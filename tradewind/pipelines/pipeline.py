"""Pipelines: functions whose calls of steps are a graph."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, overload

from tradewind.pipelines.errors import PipelineError
from tradewind.pipelines.graph import Graph, building, nodes_in

if TYPE_CHECKING:
    from tradewind.optimizer.plan import Plan
    from tradewind.pipelines.run import Run

P = ParamSpec("P")
R = TypeVar("R")


class Pipeline(Generic[P, R]):
    """A function that calls steps. Called, it is the plain function; `run` runs it in this machine's runtime, `plan` says what it would cost where."""

    def __init__(self, function: Callable[P, R], name: str | None = None) -> None:
        self.function = function
        self.name = name or str(getattr(function, "__name__", "pipeline"))
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's result. Inside another pipeline its steps become part of that one."""
        return self.function(*args, **kwargs)

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """The steps that these arguments lead to; none of them runs.

        Raises:
            PipelineError: the function uses a step's result as if it were there already, or calls no step.
        """
        with building(self.name) as graph:
            graph.result = self.function(*args, **kwargs)
        for node in nodes_in(graph.result):
            graph.require(node)
        if not graph.nodes:
            raise PipelineError(f"{self.name} calls no step with these arguments, so there is nothing to run")
        return graph

    def run(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """The steps are on their way in this process's runtime, started if there is none; each runs as soon as what it reads is there.

        Results go from step to step through the runtime's object store. What a step asks for and this machine does not have is left out,
        which the run's `remarks` say. The runtime stays until the process ends or `tradewind.runtime.shutdown()`.

        Raises:
            PipelineError: as `graph`.
        """
        from tradewind.pipelines.run import start

        return start(self.graph(*args, **kwargs))

    def plan(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """Where each step would run cheapest, all steps and the data between them decided together. Buys nothing.

        A fan-out is one placement with a node for each call. For another catalog, length or width see `plan_graph`.

        Raises:
            PipelineError: as `graph`.
            SpecError: what a step asks for is wrong.
            PlanError: a step names a cloud, region or accelerator that nobody sells.
        """
        return plan_graph(self.graph(*args, **kwargs))

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


def plan_graph(
    graph: Graph,
    *,
    hours: float | None = None,
    widths: Mapping[str, int] | None = None,
    catalog: str | os.PathLike[str] | None = None,
) -> Plan:
    """The graph's plan. `hours` is how long a call takes of a step that does not say so; `widths` how many calls a fan-out is, by its
    step's name, where that is known only when it runs (1 if not given). Raises as `Pipeline.plan`.
    """
    from tradewind.pipelines.planning import plan

    return plan(graph, hours=hours, widths=widths or {}, catalog=catalog)


@overload
def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]: ...


@overload
def pipeline(*, name: str | None = None) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...


def pipeline(function: Callable[P, R] | None = None, /, *, name: str | None = None) -> object:
    """Make a function a pipeline: `@pipeline`, or `@pipeline(name="nightly")`. Its body calls steps and hands their results on."""
    return Pipeline(function, name) if function is not None else lambda it: Pipeline(it, name)
