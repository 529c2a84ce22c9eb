"""What calling steps builds."""

from __future__ import annotations

import asyncio

import pytest

import tradewind as tw
from tradewind.pipelines.errors import PipelineError


@tw.step
def one() -> int:
    return 1


@tw.step
def add(a: int, b: int = 0) -> int:
    return a + b


@tw.step
def total(values: list[int]) -> int:
    return sum(values)


@tw.pipeline
def chain() -> int:
    return add(add(one()), b=one())


@tw.pipeline
def wide(n: int) -> int:
    return total(add.map(range(n), b=one()))


def test_outside_a_pipeline_everything_is_plain_python() -> None:
    assert add(1, b=2) == 3
    assert add.map([1, 2], [3, 4]) == [4, 6]
    assert add.map([1, 2], b=1) == [2, 3]
    assert (chain(), wide(3)) == (2, 6)
    assert add.__name__ == "add"


def test_calls_become_nodes_in_an_order_in_which_they_can_run() -> None:
    graph = chain.graph()
    assert [node.name for node in graph.nodes] == ["one", "add", "one-2", "add-2"]
    assert graph.result is graph.nodes[-1]
    assert graph.nodes[-1].args == (graph.nodes[1],)
    assert graph.nodes[-1].kwargs == {"b": graph.nodes[2]}


def test_a_fan_out_is_one_group() -> None:
    graph = wide.graph(3)
    assert [(node.name, node.group) for node in graph.nodes] == [
        ("one", "one"), ("add[0]", "add"), ("add[1]", "add"), ("add[2]", "add"), ("total", "total"),
    ]  # fmt: skip


def test_a_pipeline_in_a_pipeline_adds_its_steps() -> None:
    @tw.pipeline(name="outer")
    def outer() -> list[int]:
        return [chain(), one()]

    assert [node.name for node in outer.graph().nodes] == ["one", "add", "one-2", "add-2", "one-3"]
    assert outer.name == "outer"


@pytest.mark.parametrize("use", [bool, len, list, lambda it: it[0], lambda it: it > 1, range])
def test_a_result_cannot_be_looked_at_while_the_pipeline_is_built(use) -> None:
    @tw.pipeline
    def looks() -> object:
        return use(one())

    with pytest.raises(PipelineError, match="the result of one is not known while the pipeline is built"):
        looks.graph()
    assert add(1) == 1  # and building is over


def test_what_cannot_be_a_pipeline_is_refused() -> None:
    kept = chain.graph().nodes[0]

    @tw.pipeline
    def foreign() -> int:
        return add(kept)

    @tw.pipeline
    def nothing() -> int:
        return 3

    @tw.pipeline
    def uneven() -> list[int]:
        return add.map([1], [1, 2])

    with pytest.raises(PipelineError, match="one belongs to another pipeline than foreign"):
        foreign.graph()
    with pytest.raises(PipelineError, match="calls no step"):
        nothing.graph()
    with pytest.raises(ValueError, match="zip"):
        uneven.graph()
    with pytest.raises(PipelineError, match="needs a list"):
        add.map()
    with pytest.raises(ValueError, match="resources and cpus"):
        tw.step(cpus=1, resources=tw.Resources())
    with pytest.raises(ValueError, match="hours above 0"):
        tw.step(hours=0)

    async def later() -> int:
        return 1

    with pytest.raises(TypeError, match="later is async or a generator"):
        tw.step(later)


def test_two_pipelines_built_at_the_same_time_do_not_mix() -> None:
    async def build(n: int) -> int:
        await asyncio.sleep(0)
        return len(wide.graph(n).nodes)

    async def both() -> list[int]:
        return await asyncio.gather(build(2), build(5))

    assert asyncio.run(both()) == [4, 7]
