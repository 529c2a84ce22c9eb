from __future__ import annotations

import numpy as np

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes
from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy
from tradewind.runtime.util import state


def objects_on(node: str) -> int:
    return int(next(row.more["objects"] for row in state.rows("memory") if row.node == node))


def test_a_value_is_ready_once_its_bytes_are_here_or_with_fetch_local_false_once_they_are_anywhere(
    two_nodes: Nodes,
) -> None:
    del two_nodes
    ray.init()
    ids = {node["Labels"]["number"]: node["NodeID"] for node in ray.nodes()}

    @ray.remote(scheduling_strategy=NodeAffinitySchedulingStrategy(ids["1"], soft=False))
    def make():
        return np.ones(8 << 20, dtype=np.uint8)

    far = make.remote()
    assert ray.wait([far], timeout=30, fetch_local=False) == ([far], [])
    assert (objects_on(ids["0"]), objects_on(ids["1"])) == (0, 1), "nobody asked for the bytes"
    assert ray.wait([far], timeout=30, fetch_local=False) == ([far], [])
    assert objects_on(ids["0"]) == 0
    assert ray.wait([far], timeout=30) == ([far], [])
    assert objects_on(ids["0"]) == 1, "the bytes have come"
    assert ray.get(far, timeout=30).sum() == 8 << 20
    failed = ray.remote(lambda: 1 / 0).remote()
    assert ray.wait([failed], timeout=30, fetch_local=False) == ([failed], []), "a failure is an answer"
