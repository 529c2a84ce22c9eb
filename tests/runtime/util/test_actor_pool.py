from __future__ import annotations

import time

import pytest

import tradewind.runtime as ray
from tradewind.runtime import exceptions
from tradewind.runtime.util import ActorPool

pytestmark = pytest.mark.usefixtures("cluster")


@ray.remote
class Doubler:
    def double(self, value, seconds=0.0):
        time.sleep(seconds)
        return 2 * value


def test_results_come_in_order_or_as_they_are_done() -> None:
    pool = ActorPool([Doubler.remote(), Doubler.remote()])
    assert list(pool.map(lambda actor, value: actor.double.remote(value), range(7))) == [0, 2, 4, 6, 8, 10, 12]
    assert sorted(pool.map_unordered(lambda actor, value: actor.double.remote(value), range(7))) == [
        0,
        2,
        4,
        6,
        8,
        10,
        12,
    ]
    assert list(pool.map(lambda actor, value: actor.double.remote(value), [5])) == [10]


def test_time_limits_and_free_actors() -> None:
    pool = ActorPool([Doubler.remote()])
    assert pool.has_free()
    pool.submit(lambda actor, value: actor.double.remote(value, 0.5), 1)
    assert not pool.has_free()
    with pytest.raises(TimeoutError):
        pool.get_next(timeout=0.01)
    assert pool.get_next() == 2
    assert pool.pop_idle() is not None
    assert pool.pop_idle() is None
    with pytest.raises(StopIteration):
        pool.get_next()


def test_results_may_be_given_up_and_dead_actors_leave_the_pool() -> None:
    first, second = Doubler.remote(), Doubler.remote()
    pool = ActorPool([first])
    with pytest.raises(ValueError, match="already"):
        pool.push(first)
    pool.submit(lambda actor, value: actor.double.remote(value, 0.3), 1)
    with pytest.raises(ValueError, match="already"):
        pool.push(first)
    with pytest.raises(TimeoutError, match="given up"):
        pool.get_next(timeout=0.01, ignore_if_timedout=True)
    assert not pool.has_next()
    assert list(pool.map(lambda actor, value: actor.double.remote(value), [4])) == [8]
    pool.push(second)
    ray.kill(first)
    for number in (5, 6):
        pool.submit(lambda actor, value: actor.double.remote(value), number)
    with pytest.raises(exceptions.ActorDiedError):
        pool.get_next()
    assert pool.get_next() == 12
    assert list(pool.map(lambda actor, value: actor.double.remote(value), [7, 8])) == [14, 16]
