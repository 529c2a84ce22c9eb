from __future__ import annotations

import os
from collections import Counter

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes
from tradewind.runtime import exceptions
from tradewind.runtime.util.scheduling_strategies import (
    DoesNotExist,
    Exists,
    In,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    NotIn,
)

pytestmark = pytest.mark.usefixtures("two_nodes")


@ray.remote
def where():
    return os.environ["NODE_NUMBER"]


@ray.remote(num_cpus=0)
class Where:
    def where(self):
        return os.environ["NODE_NUMBER"]


def test_instant_tasks_are_spread_too(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()
    assert len(ray.nodes()) == 2, "this node has heard of the other"
    spread = where.options(scheduling_strategy="SPREAD")
    together = Counter(ray.get([spread.remote() for _ in range(8)], timeout=60))
    assert min(together["0"], together["1"]) >= 2, together
    one_by_one = Counter(ray.get(spread.remote(), timeout=60) for _ in range(6))
    assert min(one_by_one["0"], one_by_one["1"]) >= 2, one_by_one
    actors = [Where.options(scheduling_strategy="SPREAD").remote() for _ in range(4)]
    assert Counter(ray.get([actor.where.remote() for actor in actors], timeout=60)) == {"0": 2, "1": 2}


def test_labels_choose_nodes_for_tasks_and_actors() -> None:
    ray.init()
    node_id = next(node["NodeID"] for node in ray.nodes() if node["Labels"]["number"] == "1")
    for selector in ({"number": "1"}, {"number": "!0"}, {"number": "in(1, 7)"}, {"ray.io/node-id": node_id}):
        assert ray.get(where.options(label_selector=selector).remote(), timeout=30) == "1", selector
        assert ray.get(Where.options(label_selector=selector).remote().where.remote(), timeout=30) == "1", selector
    for hard in ({"number": In("1", "7")}, {"number": NotIn("0")}, {"number": In("1"), "zone": DoesNotExist()}):
        strategy = NodeLabelSchedulingStrategy(hard)
        assert ray.get(where.options(scheduling_strategy=strategy).remote(), timeout=30) == "1"
    preferred = NodeLabelSchedulingStrategy({"number": Exists()}, soft={"number": In("1")})
    assert ray.get(Where.options(scheduling_strategy=preferred).remote().where.remote(), timeout=30) == "1"
    assert ray.get_runtime_context().get_node_labels()["number"] == "0"


def test_nodes_by_their_addresses() -> None:
    ray.init()
    for node in ray.nodes():
        asked = {"resources": {f"node:{node['NodeManagerAddress']}": 0.01}}
        assert ray.cluster_resources()[f"node:{node['NodeManagerAddress']}"] == 1
        number = node["Labels"]["number"]
        assert ray.get(where.options(**asked).remote(), timeout=30) == number
        assert ray.get(Where.options(**asked).remote().where.remote(), timeout=30) == number
    with pytest.raises(exceptions.TaskUnschedulableError, match=r"node:10\.9\.9\.9"):
        ray.get(where.options(resources={"node:10.9.9.9": 0.01}).remote(), timeout=30)
    with pytest.raises(ValueError, match="not both"):
        where.options(**asked, scheduling_strategy="SPREAD").remote()


def test_the_first_labels_that_some_node_has_count() -> None:
    ray.init()
    instead = [{"label_selector": {"number": "8"}}, {"label_selector": {"number": "1"}}, {"label_selector": {"number": "0"}}]  # fmt: skip
    asked = {"label_selector": {"number": "7"}, "fallback_strategy": instead}
    assert ray.get(where.options(**asked).remote(), timeout=30) == "1"
    assert ray.get(Where.options(**asked).remote().where.remote(), timeout=30) == "1"
    none = {"label_selector": {"number": "7"}, "fallback_strategy": instead[:1]}
    with pytest.raises(exceptions.TaskUnschedulableError, match="number in 7, or number in 8, and none"):
        ray.get(where.options(**none).remote(), timeout=30)
    with pytest.raises(exceptions.ActorUnschedulableError, match="number in 7, or number in 8"):
        ray.get(Where.options(**none).remote().where.remote(), timeout=30)


def test_what_no_node_has_is_said_at_once() -> None:
    ray.init()
    with pytest.raises(exceptions.TaskUnschedulableError, match="zone in here, and none"):
        ray.get(where.options(label_selector={"zone": "here"}).remote(), timeout=30)
    with pytest.raises(exceptions.ActorUnschedulableError, match="zone exists"):
        ray.get(
            Where.options(scheduling_strategy=NodeLabelSchedulingStrategy({"zone": Exists()})).remote().where.remote(),
            timeout=30,
        )
    with pytest.raises(exceptions.TaskUnschedulableError, match="not alive"):
        ray.get(where.options(scheduling_strategy=NodeAffinitySchedulingStrategy("f" * 16, soft=False)).remote(), timeout=30)  # fmt: skip
    gone = NodeAffinitySchedulingStrategy("f" * 16, soft=True)
    assert ray.get(where.options(scheduling_strategy=gone).remote(), timeout=30) in {"0", "1"}
    with pytest.raises(ValueError, match="cannot both be empty"):
        NodeLabelSchedulingStrategy({})
    with pytest.raises(ValueError, match="'!value'"):
        where.options(label_selector={"zone": "a b"}).remote()
