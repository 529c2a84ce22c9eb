"""What a pipeline is once it is built: steps called with values and with one another's results. Pure values, and the one thing that collects them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from tradewind.pipelines.errors import PipelineError

if TYPE_CHECKING:
    from tradewind.pipelines.step import Step


@dataclass(frozen=True, eq=False)
class Node:
    """A call of a step whose result does not exist yet. Hand it to other steps, in lists, tuples and dicts too, or return it.

    `name` is unique in its graph. `group` is what is placed as one: a fan-out is one group. `over` counts the positional arguments that a
    fan-out takes apart when it runs, because their length is not known before; 0 is a plain call.
    """

    step: Step[..., Any]
    name: str
    group: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    over: int = 0

    def _unknown(self, *_args: object) -> NoReturn:
        raise PipelineError(
            f"the result of {self.name} is not known while the pipeline is built; what depends on it belongs into a step"
        )

    __bool__ = __iter__ = __len__ = __getitem__ = __contains__ = __int__ = __float__ = __index__ = _unknown
    __lt__ = __le__ = __gt__ = __ge__ = _unknown

    def __repr__(self) -> str:
        return f"<result of step {self.name}>"


@dataclass
class Graph:
    """The nodes of one pipeline in the order of their calls, which is an order in which they can run; `result` is what it returns."""

    name: str
    nodes: list[Node] = field(default_factory=list)
    result: Any = None
    _used: dict[str, int] = field(default_factory=dict)
    _own: set[int] = field(default_factory=set)

    def unique(self, name: str) -> str:
        """The name, or name-2, name-3, ... where it is taken."""
        count = self._used[name] = self._used.get(name, 0) + 1
        return name if count == 1 else f"{name}-{count}"

    def add(self, node: Node) -> Node:
        """The node is part of the graph. Raises PipelineError for a result of another pipeline."""
        for source in nodes_in((node.args, dict(node.kwargs))):
            self.require(source)
        self.nodes.append(node)
        self._own.add(id(node))
        return node

    def require(self, node: Node) -> None:
        """Raises PipelineError for a node of another pipeline."""
        if id(node) not in self._own:
            raise PipelineError(f"{node.name} belongs to another pipeline than {self.name}; call its step here again")


_building: ContextVar[Graph | None] = ContextVar("tradewind_pipeline", default=None)


def current() -> Graph | None:
    """The graph that is being built in this thread or task, None outside of pipelines."""
    return _building.get()


@contextmanager
def building(name: str) -> Iterator[Graph]:
    """Calls of steps add nodes to the graph that this yields."""
    graph = Graph(name)
    token = _building.set(graph)
    try:
        yield graph
    finally:
        _building.reset(token)


def nodes_in(value: Any) -> Iterator[Node]:
    """Every node in the value: itself, and in lists, tuples and dicts. As often as it stands there."""
    if isinstance(value, Node):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from nodes_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from nodes_in(item)


def replaced(value: Any, values: Sequence[Any] | Mapping[Any, Any]) -> Any:
    """The value with something else in place of its nodes and places: `values[it]` for each."""
    if isinstance(value, Node):
        return values[value]  # type: ignore[call-overload]
    if isinstance(value, Place):
        return values[value.index]
    if isinstance(value, list):
        return [replaced(item, values) for item in value]
    if isinstance(value, tuple):
        items = [replaced(item, values) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, dict):
        return {key: replaced(item, values) for key, item in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class Place:
    """Stands where the result with this number goes."""

    index: int
