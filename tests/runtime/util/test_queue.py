from __future__ import annotations

import asyncio

import pytest

import tradewind.runtime as ray
from tradewind.runtime import exceptions
from tradewind.runtime.util.queue import Empty, Full, Queue

pytestmark = pytest.mark.usefixtures("cluster")


def test_items_pass_between_tasks_in_order() -> None:
    queue = Queue()

    @ray.remote
    def produce(out, count):
        for number in range(count):
            out.put(number)

    @ray.remote
    def consume(source, count):
        return [source.get(timeout=20) for _ in range(count)]

    consumed = consume.remote(queue, 20)
    produce.remote(queue, 20)
    assert ray.get(consumed, timeout=30) == list(range(20))
    assert queue.empty()
    queue.shutdown()


def test_waiting_in_an_event_loop() -> None:
    queue = Queue(maxsize=1)

    async def use():
        got = asyncio.create_task(queue.get_async(timeout=20))
        await queue.put_async("first")
        assert await got == "first"
        await queue.put_async("second", block=False)
        with pytest.raises(Full):
            await queue.put_async("third", timeout=0.01)
        assert await queue.get_async() == "second"
        with pytest.raises(Empty):
            await queue.get_async(block=False)

    asyncio.run(use())
    with pytest.raises(TypeError, match="number of items"):
        queue.get_nowait_batch("2")
    queue.shutdown()
    with pytest.raises(exceptions.RaySystemError, match="shut down"):
        queue.put(1)


def test_limits() -> None:
    queue = Queue(maxsize=2)
    queue.put_nowait_batch([1, 2])
    assert queue.full()
    with pytest.raises(Full):
        queue.put(3, timeout=0.05)
    assert queue.get_nowait_batch(2) == [1, 2]
    with pytest.raises(Empty):
        queue.get_nowait()
    with pytest.raises(Empty):
        queue.get_nowait_batch(1)
    assert len(queue) == 0


def test_the_end_waits_for_what_was_asked_before() -> None:
    queue = Queue(maxsize=1)
    queue.put(1)
    assert queue.size() == len(queue) == 1
    with pytest.raises(ValueError, match="negative"):
        queue.get(timeout=-1)
    queue.shutdown()
    assert queue.actor is None
    other = Queue()
    other.shutdown(force=True)
    other.shutdown()
