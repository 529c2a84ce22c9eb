from __future__ import annotations

import os

import numpy as np

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes
from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy


@ray.remote
def make(size):
    return np.ones(size, dtype=np.uint8)


@ray.remote
def where(array):
    assert array[0] == 1
    return os.environ["NODE_NUMBER"]


def test_work_goes_to_the_bytes_when_they_are_many(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()
    ids = {node["Labels"]["number"]: node["NodeID"] for node in ray.nodes()}
    there = NodeAffinitySchedulingStrategy(ids["1"])
    large = make.options(scheduling_strategy=there).remote(8 << 20)
    small = make.options(scheduling_strategy=there).remote(200_000)
    ray.wait([large, small], num_returns=2, timeout=30)
    assert [ray.get(where.remote(large), timeout=30) for _ in range(3)] == ["1"] * 3
    assert ray.get(where.remote(small), timeout=30) == "0"
    elsewhere = where.options(scheduling_strategy=NodeAffinitySchedulingStrategy(ids["0"]))
    assert ray.get(elsewhere.remote(large), timeout=30) == "0"
