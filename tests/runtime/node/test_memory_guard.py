from __future__ import annotations

import os
import time

import pytest

import tradewind.runtime as ray
from tradewind.runtime import exceptions
from tradewind.runtime.node.memory_guard import excess, own_bytes
from tradewind.runtime.node.resources import Allocation, to_units


def test_only_those_with_a_limit_can_exceed_it() -> None:
    limited = Allocation(to_units({"memory": 1000}))
    assert excess(1000, limited) == ""
    assert "1,001" in excess(1001, limited)
    assert "memory=1,000" in excess(1001, limited)
    assert excess(1 << 40, Allocation({})) == ""
    assert excess(1 << 40, None) == ""
    assert own_bytes(os.getpid()) > 1 << 20
    assert own_bytes(2**22 + 1) == 0


@pytest.mark.usefixtures("cluster")
def test_a_task_and_an_actor_that_take_more_than_they_asked_for_are_ended() -> None:
    @ray.remote(memory=200 << 20, max_retries=0)
    def take(size):
        held = bytearray(size)
        for at in range(0, size, 4096):
            held[at] = 1
        time.sleep(1.5 if size > 100 << 20 else 0.4)
        return len(held)

    assert ray.get(take.remote(20 << 20), timeout=30) == 20 << 20
    with pytest.raises(exceptions.OutOfMemoryError, match="memory=209,715,200"):
        ray.get(take.remote(400 << 20), timeout=30)

    @ray.remote(memory=200 << 20)
    class Taker:
        def take(self, size):
            self.held = bytes(1) * size
            time.sleep(2)

    with pytest.raises(exceptions.ActorDiedError, match="out of memory"):
        ray.get(Taker.remote().take.remote(400 << 20), timeout=30)
