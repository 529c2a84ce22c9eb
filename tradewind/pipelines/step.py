"""Steps: functions that say what they need."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from tradewind.pipelines.errors import PipelineError
from tradewind.pipelines.graph import Graph, Node, current
from tradewind.sdk.resources import Resources

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a step asks for. `hours` is how long one call takes and `output_gb` how many GB (10^9 bytes) it hands on, both for planning."""

    resources: Resources
    hours: float | None
    output_gb: float
    retries: int


class Step(Generic[P, R]):
    """A function of a pipeline. Called inside a pipeline it becomes a node of it; called anywhere else it is the plain function."""

    def __init__(self, function: Callable[P, R], needs: Needs) -> None:
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            name = getattr(function, "__name__", "it")
            raise TypeError(f"{name} is async or a generator; a step returns a value, so make it a plain function")
        self.function = function
        self.needs = needs
        functools.update_wrapper(self, function)

    @property
    def name(self) -> str:
        """The function's name."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's result; inside a pipeline a node that stands for it."""
        graph = current()
        if graph is None:
            return self.function(*args, **kwargs)
        name = graph.unique(self.name)
        return cast("R", graph.add(Node(self, name, name, args, kwargs)))

    def map(self, *lists: Iterable[Any], **same: Any) -> list[R]:
        """The results of one call for each item: the lists are taken apart in step, what is given by name goes to every call.

        Inside a pipeline the calls run side by side. A list that is itself a step's result is taken apart when it is there. Raises
        PipelineError for no list, and ValueError for lists of different lengths.
        """
        if not lists:
            raise PipelineError(f"{self.name}.map() needs a list to take apart")
        graph = current()
        if graph is None:
            return [self.function(*items, **same) for items in zip(*lists, strict=True)]
        name = graph.unique(self.name)
        if any(isinstance(one, Node) for one in lists):
            return cast("list[R]", graph.add(Node(self, name, name, lists, same, over=len(lists))))
        return self._fan_out(graph, name, list(zip(*lists, strict=True)), same)

    def _fan_out(self, graph: Graph, name: str, calls: Sequence[tuple[Any, ...]], same: Mapping[str, Any]) -> list[R]:
        nodes = [graph.add(Node(self, f"{name}[{i}]", name, items, same)) for i, items in enumerate(calls)]
        return cast("list[R]", nodes)

    def __repr__(self) -> str:
        return f"<step {self.name}>"


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(
    *,
    cpus: float | str | None = None,
    memory: float | str | None = None,
    accelerators: str | Mapping[str, float] | None = None,
    use_spot: bool | None = None,
    infra: str | None = None,
    resources: Resources | None = None,
    hours: float | None = None,
    output_gb: float = 0.0,
    retries: int = 0,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...


def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    cpus: float | str | None = None,
    memory: float | str | None = None,
    accelerators: str | Mapping[str, float] | None = None,
    use_spot: bool | None = None,
    infra: str | None = None,
    resources: Resources | None = None,
    hours: float | None = None,
    output_gb: float = 0.0,
    retries: int = 0,
) -> Any:
    """Make a function a step: `@step`, or `@step(cpus=4, accelerators="A100:1", use_spot=True)`.

    `cpus` (vCPUs), `memory` (GiB), `accelerators`, `use_spot` and `infra` are spelled as in a task file; `resources` says the same and
    more in one value. `hours` and `output_gb` (10^9 bytes) are what a plan counts for one call and what it hands on. A call that raises is
    made again up to `retries` times.

    Raises:
        ValueError: `resources` and one of its fields are both given, or a number is negative.
        TypeError: the function is async or a generator.
    """
    fields = {"cpus": cpus, "memory": memory, "accelerators": accelerators, "use_spot": use_spot, "infra": infra}
    given = {name: value for name, value in fields.items() if value is not None}
    if resources is not None and given:
        raise ValueError(f"resources and {min(given)} are both given; say it in resources")
    if retries < 0 or output_gb < 0 or (hours is not None and hours <= 0):
        raise ValueError("retries and output_gb are 0 or more, and hours above 0")
    needs = Needs(resources or Resources(**given), hours, output_gb, retries)  # type: ignore[arg-type]
    return Step(function, needs) if function is not None else lambda it: Step(it, needs)
