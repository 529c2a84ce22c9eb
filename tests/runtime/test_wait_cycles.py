from __future__ import annotations

import time

import pytest

import tradewind.runtime as ray
from tradewind.runtime import exceptions

pytestmark = pytest.mark.usefixtures("cluster")


@ray.remote
class Asker:
    def know(self, other):
        self.other = other

    def ask(self, depth):
        return 0 if not depth else 1 + ray.get(self.other.ask.remote(depth - 1))

    def wait_for(self):
        return ray.wait([self.other.wait_for.remote()])

    def ask_by_task(self):
        return ray.get(ask_for.remote(self.other))

    def slow(self):
        time.sleep(2.5)
        return "done"

    def wait_for_slow(self):
        return ray.get(self.other.slow.remote())


@ray.remote
def ask_for(actor):
    return ray.get(actor.ask.remote(0))


def pair() -> tuple[ray.ActorHandle, ray.ActorHandle]:
    first, second = Asker.remote(), Asker.remote()
    ray.get([first.know.remote(second), second.know.remote(first)], timeout=30)
    return first, second


def test_two_actors_that_wait_for_each_other_are_told() -> None:
    first, _second = pair()
    with pytest.raises(exceptions.WaitCycleError, match="wait for each other") as caught:
        ray.get(first.ask.remote(3), timeout=30)
    assert str(caught.value).count("waits for Asker.ask()") >= 2


def test_wait_for_all_of_them_is_told_too() -> None:
    first, _second = pair()
    with pytest.raises(exceptions.WaitCycleError, match=r"waits for Asker\.wait_for\(\)"):
        ray.get(first.wait_for.remote(), timeout=30)


def test_an_actor_that_waits_for_itself_is_told() -> None:
    alone = Asker.remote()
    ray.get(alone.know.remote(alone), timeout=30)
    with pytest.raises(exceptions.WaitCycleError, match="Asker"):
        ray.get(alone.ask.remote(1), timeout=30)
    with pytest.raises(exceptions.WaitCycleError, match="ask_for"):
        ray.get(alone.ask_by_task.remote(), timeout=30)


def test_long_waits_that_end_are_left_alone() -> None:
    first, second = pair()
    assert ray.get([first.wait_for_slow.remote(), second.ask.remote(0)], timeout=30) == ["done", 0]
