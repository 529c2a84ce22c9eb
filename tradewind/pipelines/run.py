"""A pipeline that runs in this machine's runtime."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Generator, Mapping
from typing import Any, Generic, Literal, TypeVar

from tradewind import runtime
from tradewind.pipelines import calling
from tradewind.pipelines.errors import StepFailed
from tradewind.pipelines.fitting import fitted
from tradewind.pipelines.graph import Graph, Node, Place, nodes_in, replaced
from tradewind.pipelines.step import Step
from tradewind.sdk.task import Task

R = TypeVar("R")
State = Literal["WAITING", "SUCCEEDED", "FAILED"]
log = logging.getLogger("tradewind.pipelines")


class Run(Generic[R]):
    """A pipeline on its way. `remarks` say what its steps asked for and do without on this machine."""

    def __init__(self, graph: Graph, refs: dict[Node, runtime.ObjectRef], remarks: tuple[str, ...]) -> None:
        self.pipeline = graph.name
        self.remarks = remarks
        self._graph = graph
        self._refs = refs

    def result(self, timeout_s: float | None = None) -> R:
        """The pipeline's value, once it is there.

        Raises:
            Exception: what a step raised, of the user's own class, with the step's name as a note and a StepFailed as its cause.
            StepFailed: a step's process died, or no room could be found for it.
            TimeoutError: it is not there within `timeout_s` seconds; the run goes on.
        """
        wanted = list(dict.fromkeys(self._ending()))
        refs = [self._refs[node] for node in wanted]
        try:
            values = runtime.get(refs, timeout=timeout_s)
        except runtime.exceptions.GetTimeoutError as error:
            raise TimeoutError(f"pipeline {self.pipeline} has no result after {timeout_s:g} s; it goes on") from error
        except runtime.exceptions.RayError as error:
            own, failed = self._failure(error)
            if own is None:
                raise failed from error
            raise own from failed
        known = dict(zip(wanted, values, strict=True))
        value: R = replaced(self._graph.result, known)
        return value

    def _ending(self) -> list[Node]:
        """The nodes that the result is made of; then those that nobody reads, which are part of the run all the same."""
        read = {id(source) for node in self._graph.nodes for source in nodes_in((node.args, dict(node.kwargs)))}
        return [*nodes_in(self._graph.result), *(node for node in self._graph.nodes if id(node) not in read)]

    def _failure(self, error: Exception) -> tuple[BaseException | None, StepFailed]:
        """The error that the step itself raised, if one did, and which step has failed of what."""
        if isinstance(error, runtime.exceptions.RayTaskError) and not isinstance(
            error.cause, runtime.exceptions.RayError
        ):
            step = calling.step_of(error.cause) or self._first_failed()
            return error.cause, StepFailed(self.pipeline, step, error.traceback_str.rstrip())
        why = error.cause if isinstance(error, runtime.exceptions.RayTaskError) else error  # of a fan-out's own call
        return None, StepFailed(self.pipeline, self._first_failed(), str(why))

    def _first_failed(self) -> str:
        return next((name for name, state in self.states().items() if state == "FAILED"), "?")

    def states(self) -> dict[str, State]:
        """By step, in the order of their calls, what has become of it so far. A step whose input failed has FAILED with it."""
        refs = list(self._refs.values())
        ready, _ = runtime.wait(refs, num_returns=len(refs), timeout=0)
        there = set(ready)
        return {node.name: _state(ref) if ref in there else "WAITING" for node, ref in self._refs.items()}

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether every step has ended, well or not, within `timeout_s` seconds."""
        refs = list(self._refs.values())
        ready, _ = runtime.wait(refs, num_returns=len(refs), timeout=timeout_s)
        return len(ready) == len(refs)

    def cancel(self) -> None:
        """No further step starts, and those that run are interrupted; what has ended stays."""
        for ref in self._refs.values():
            runtime.cancel(ref)

    def __await__(self) -> Generator[Any, None, R]:
        """As `result`, on an event loop: `value = await pipeline.run()`."""
        return self._awaited().__await__()

    async def _awaited(self) -> R:
        futures = [self._refs[node].as_future() for node in dict.fromkeys(self._ending())]
        await asyncio.gather(*futures, return_exceptions=True)
        return self.result()

    def __repr__(self) -> str:
        return f"<run of {self.pipeline}: {', '.join(f'{name} {state}' for name, state in self.states().items())}>"


def _state(ref: runtime.ObjectRef) -> State:
    try:
        runtime.get(ref)
    except runtime.exceptions.RayError:
        return "FAILED"
    return "SUCCEEDED"


def start(graph: Graph) -> Run[Any]:
    """Every step is submitted; the runtime starts each when what it reads is there. Raises SpecError for what a step asks for."""
    if not runtime.is_initialized():
        runtime.init()
    machine = runtime.cluster_resources()
    steps: dict[tuple[Step[..., Any], bool], Any] = {}
    refs: dict[Node, runtime.ObjectRef] = {}
    remarks: list[str] = []
    for node in graph.nodes:
        key = (node.step, node.over > 0)
        if key not in steps:
            steps[key], without = _remote(node.step, machine, apart=node.over > 0)
            remarks += (f"{node.step.name}: {said}" for said in without)
        refs[node] = _submit(graph, node, steps[key], refs)
    said = tuple(dict.fromkeys(remarks))
    for remark in said:
        log.warning("%s", remark)
    return Run(graph, refs, said)


def _remote(step: Step[..., Any], machine: Mapping[str, float], *, apart: bool) -> tuple[Any, tuple[str, ...]]:
    """The step as the runtime runs it, pickled once however often it is called; and what it does without."""
    needs = step.needs
    options, without = fitted(Task(resources=needs.resources).spec, machine)
    options |= {"max_retries": needs.retries or 3, "retry_exceptions": needs.retries > 0, "name": step.name}
    how = calling.call_named if apart else calling.call
    return runtime.remote(**options)(functools.partial(how, step.function)), without


def _submit(graph: Graph, node: Node, step: Any, refs: dict[Node, runtime.ObjectRef]) -> runtime.ObjectRef:
    sources = list(dict.fromkeys(nodes_in((node.args, dict(node.kwargs)))))
    places = {source: Place(index) for index, source in enumerate(sources)}
    args, kwargs = replaced(node.args, places), replaced(dict(node.kwargs), places)
    label = calling.Label(graph.name, node.name)
    results = [refs[source] for source in sources]
    if node.over:
        apart = runtime.remote(num_cpus=0, name=node.name)(calling.fan_out)
        made = apart.remote(step, label, args, kwargs, *results)
    else:
        made = step.remote(label, args, kwargs, *results)
    assert isinstance(made, runtime.ObjectRef)
    return made
