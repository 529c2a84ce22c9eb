"""A graph as one problem for the optimizer: a task for every step, an edge for all data that one hands to another."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping

import msgspec

from tradewind.broker.planner.egress import egress
from tradewind.broker.planner.plan import solved
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.problem import Edge
from tradewind.pipelines.graph import Graph, Node, nodes_in
from tradewind.sdk.planning import posed, shelf
from tradewind.sdk.task import Task
from tradewind.spec.built import refuse_unbuilt


def task_name(group: str) -> str:
    """The group's name as a task may have it."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", group).lstrip("._-")[:63] or "step"


def tasks_of(graph: Graph, widths: Mapping[str, int]) -> dict[str, Task]:
    """By group, in the order of their calls, the task that stands for its calls: a node for each. Raises SpecError."""
    calls = Counter[str]()
    first: dict[str, Node] = {}
    for node in graph.nodes:
        first.setdefault(node.group, node)
        calls[node.group] += widths.get(node.group, widths.get(node.step.name, 1)) if node.over else 1
    return {
        group: Task(task_name(group), num_nodes=calls[group], resources=node.step.needs.resources)
        for group, node in first.items()
    }


def edges_of(graph: Graph, tasks: Mapping[str, Task]) -> tuple[Edge, ...]:
    """What goes from group to group, in GB: every call hands on its step's `output_gb`, once to each group that reads it."""
    gigabytes: dict[tuple[str, str], float] = {}
    seen: set[tuple[str, str]] = set()
    for node in graph.nodes:
        for source in nodes_in((node.args, dict(node.kwargs))):
            pair = (task_name(source.group), task_name(node.group))
            times = tasks[source.group].num_nodes if source.over else 1
            if (source.name, node.group) not in seen:
                seen.add((source.name, node.group))
                gigabytes[pair] = gigabytes.get(pair, 0.0) + source.step.needs.output_gb * times
    return tuple(Edge(source, target, gb) for (source, target), gb in gigabytes.items())


def plan(
    graph: Graph, *, hours: float | None, widths: Mapping[str, int], catalog: str | os.PathLike[str] | None
) -> Plan:
    """The cheapest plan for all steps together, moving the data included."""
    tasks = tasks_of(graph, widths)
    given = {task_name(node.group): node.step.needs.hours for node in graph.nodes}
    unsaid = tuple(
        f"{node.group}: one call, because how many it is is known only when it runs"
        for node in graph.nodes
        if node.over and not {node.group, node.step.name} & set(widths)
    )
    specs = tuple(task.spec for task in tasks.values())
    for spec in specs:
        refuse_unbuilt(spec, "plan")
    with shelf(specs, catalog) as offers:
        problem, aim = posed(specs, offers, hours=hours)
    edges = edges_of(graph, tasks)
    problem = msgspec.structs.replace(
        problem,
        requests=tuple(
            msgspec.structs.replace(request, hours=given[request.task] or request.hours) for request in problem.requests
        ),
        edges=edges,
        egress=egress() if edges else problem.egress,
        defaults_applied=(*_still_true(problem.defaults_applied, given), *dict.fromkeys(unsaid)),
    )
    return solved(problem, aim)


def _still_true(defaults: tuple[str, ...], given: Mapping[str, float | None]) -> tuple[str, ...]:
    """The defaults said, without the length where every step says its own."""
    if None in given.values():
        return defaults
    return tuple(said for said in defaults if not said.startswith("length:"))
