"""A pipeline as one problem."""

from __future__ import annotations

import pytest

import tradewind as tw
from tradewind.broker.planner import plan_task
from tradewind.catalog import open_catalog
from tradewind.pipelines.pipeline import plan_graph
from tradewind.pipelines.planning import edges_of, task_name, tasks_of


@tw.step(cpus=4, hours=0.5, output_gb=200, infra="aws/us-east-1")
def load() -> list[int]:
    return [1, 2, 3]


@tw.step(accelerators="A100:1", use_spot=True, hours=2, output_gb=1)
def train(data: list[int], rate: float) -> float:
    return len(data) * rate


@tw.step(cpus=2, hours=0.1)
def best(found: list[float]) -> float:
    return max(found)


@tw.pipeline
def search(rates: list[float]) -> float:
    data = load()
    return best([train(data, rate) for rate in rates[:1]] + train.map([data] * (len(rates) - 1), rates[1:]))


@tw.pipeline
def unknown() -> float:
    return best(train.map(load(), rate=0.1))


def test_every_group_is_a_task_and_what_it_reads_an_edge() -> None:
    graph = search.graph([0.1, 0.2, 0.3])
    tasks = tasks_of(graph, {})
    assert {name: task.num_nodes for name, task in tasks.items()} == {"load": 1, "train": 1, "train-2": 2, "best": 1}
    assert {(e.source, e.target): e.gigabytes for e in edges_of(graph, tasks)} == {
        ("load", "train"): 200, ("load", "train-2"): 200, ("train", "best"): 1, ("train-2", "best"): 2,
    }  # fmt: skip


def test_is_planned_as_one_with_the_data_between() -> None:
    plan = search.plan([0.1, 0.2, 0.3])
    assert plan.feasible
    assert {p.task: (p.num_nodes, p.hours) for p in plan.placements} == {
        "load": (1, 0.5), "train": (1, 2), "train-2": (2, 2), "best": (1, 0.1),
    }  # fmt: skip
    assert plan.certificate.gap == 0
    assert plan.total_usd == pytest.approx(
        sum(p.total_usd for p in plan.placements) + sum(t.usd for t in plan.transfers)
    )
    assert plan.makespan_h == pytest.approx(2.6, abs=0.3)
    assert not [said for said in plan.defaults_applied if said.startswith("length")]
    # 200 GB that lie in us-east-1 draw the training near: alone it would go elsewhere, or the way there is paid and cheaper all the same.
    with open_catalog(None) as offers:
        alone = plan_task(tw.Task("train", resources=train.needs.resources).spec, offers, hours=2)
    (trained,) = [p for p in plan.placements if p.task == "train"]
    moved = sum(t.usd for t in plan.transfers if t.target == "train")
    assert trained.total_usd >= alone.total_usd
    assert trained.total_usd + moved < alone.total_usd + 200 * 0.09 * 2


def test_how_many_calls_a_list_of_a_step_makes_is_given_or_said() -> None:
    plan = unknown.plan()
    assert [p.num_nodes for p in plan.placements if p.task == "train"] == [1]
    assert "train: one call, because how many it is is known only when it runs" in plan.defaults_applied
    eight = plan_graph(unknown.graph(), widths={"train": 8})
    assert [p.num_nodes for p in eight.placements if p.task == "train"] == [8]
    assert {(t.source, t.gigabytes) for t in eight.transfers} == {("load", 200), ("train", 8)}
    assert not [said for said in eight.defaults_applied if "one call" in said]


def test_a_wrong_need_is_named() -> None:
    @tw.step(accelerators="A1OO:1")
    def misspelt() -> int:
        return 1

    @tw.pipeline
    def flow() -> int:
        return misspelt()

    with pytest.raises(tw.PlanError, match="accelerators"):
        flow.plan()


def test_names_are_such_as_tasks_may_have() -> None:
    assert [task_name(name) for name in ("_private", "a-2", "<lambda>", "é", "x" * 80)] == [
        "private", "a-2", "lambda_", "step", "x" * 63,
    ]  # fmt: skip
