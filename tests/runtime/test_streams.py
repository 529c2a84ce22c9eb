from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import eventually
from tradewind.runtime import session

pytestmark = pytest.mark.usefixtures("cluster")


@ray.remote
def count(limit, seconds=0.0):
    for number in range(limit):
        time.sleep(seconds)
        yield number


def test_items_come_while_the_generator_runs() -> None:
    stream = count.remote(3, 0.5)
    assert ray.get(next(stream), timeout=20) == 0
    assert ray.wait([stream.completed()], timeout=0)[0] == [], "the generator runs on"
    assert [ray.get(ref, timeout=20) for ref in stream] == [1, 2]
    with pytest.raises(StopIteration):
        next(stream)
    assert ray.get(stream.completed(), timeout=20) is None


def test_items_may_be_awaited() -> None:
    async def read(stream):
        return [await ref async for ref in stream]

    async def both():
        return await asyncio.gather(
            read(count.remote(3, 0.05)), read(count.remote(2)), read(broken.remote()), return_exceptions=True
        )

    @ray.remote
    def broken():
        yield 0
        raise KeyError("half-way")

    slow, fast, error = asyncio.run(both())
    assert (slow, fast) == ([0, 1, 2], [0, 1])
    assert isinstance(error, KeyError)


def test_large_items_and_refs_inside_items() -> None:
    @ray.remote
    def make():
        yield np.ones(500_000)
        yield [ray.put("inside")]

    large, box = list(make.remote())
    assert ray.get(large, timeout=20).sum() == 500_000
    assert ray.get(ray.get(box, timeout=20)[0], timeout=20) == "inside"


def test_an_error_is_the_last_item() -> None:
    @ray.remote
    def break_off():
        yield 1
        raise KeyError("half-way")

    stream = break_off.remote()
    first = next(stream)
    assert ray.get(first, timeout=20) == 1
    ray.wait([stream.completed()], timeout=20)
    assert stream.next_ready()
    assert not stream.is_finished(), "the error is still to come"
    second = next(stream)
    assert stream.is_finished()
    assert not stream.next_ready()
    with pytest.raises(KeyError):
        ray.get(second, timeout=20)


def test_a_producer_stays_no_further_ahead_than_asked(tmp_path) -> None:
    path = tmp_path / "made"
    path.touch()

    @ray.remote(_generator_backpressure_num_objects=2)
    def make():
        for number in range(6):
            with path.open("a") as file:
                file.write("x")
            yield number

    stream = make.remote()
    assert eventually(lambda: len(path.read_text()) == 2)
    time.sleep(0.2)
    assert len(path.read_text()) == 2
    assert ray.get(next(stream), timeout=20) == 0
    assert eventually(lambda: len(path.read_text()) == 3)
    assert [ray.get(ref, timeout=20) for ref in stream] == [1, 2, 3, 4, 5]


def test_dropping_a_generator_ends_it_and_frees_what_nobody_read() -> None:
    stream = count.remote(10_000, 0.005)
    next(stream)
    del stream
    process = session.process()
    assert eventually(lambda: not process.calls.open)
    assert eventually(lambda: not process.table.entries)


@pytest.mark.parametrize(("ahead", "threads"), [(2, 1), (-1, 1), (2, 2)])
def test_dropping_the_generator_of_a_method_ends_it_and_its_actor_goes_on(ahead, threads) -> None:
    @ray.remote
    class Source:
        ended = False

        def endless(self):
            try:
                while True:
                    yield 1
            finally:
                self.ended = True

        def has_ended(self):
            return self.ended

    source = Source.options(max_concurrency=threads).remote()
    stream = source.endless.options(_generator_backpressure_num_objects=ahead).remote()
    assert ray.get(next(stream), timeout=20) == 1
    del stream
    assert eventually(lambda: ray.get(source.has_ended.remote(), timeout=20))


def test_methods_stream_too() -> None:
    @ray.remote
    class Source:
        def items(self, limit):
            yield from range(limit)

        @ray.method(num_returns="streaming")
        def pairs(self):
            return iter([(1, 2), (3, 4)])

    source = Source.remote()
    assert [ray.get(ref, timeout=20) for ref in source.items.remote(4)] == [0, 1, 2, 3]
    assert [ray.get(ref, timeout=20) for ref in source.pairs.remote()] == [(1, 2), (3, 4)]


def test_a_crash_in_the_middle_is_made_good_without_doubles(tmp_path) -> None:
    import os

    @ray.remote(max_retries=1)
    def fragile():
        for number in range(4):
            if number == 2 and not (tmp_path / "crashed").exists():
                (tmp_path / "crashed").touch()
                os._exit(1)
            yield number

    assert [ray.get(ref, timeout=20) for ref in fragile.remote()] == [0, 1, 2, 3]


def test_limits_of_time_and_place() -> None:
    stream = count.remote(1, 30)
    assert ray.wait([stream], timeout=0.05) == ([], [stream])
    assert not stream.next_ready()
    assert not stream.is_finished()
    with pytest.raises(TypeError, match="belongs to the process"):
        ray.put(stream)
