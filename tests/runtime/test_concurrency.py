from __future__ import annotations

import asyncio
import threading

import pytest

import tradewind.runtime as ray
from tradewind.runtime import actor, exceptions

pytestmark = pytest.mark.usefixtures("cluster")


def test_groups_of_threads_do_not_wait_for_each_other() -> None:
    @ray.remote(concurrency_groups={"io": 2})
    class Mixed:
        def __init__(self):
            self.gate = threading.Event()

        def wait(self):
            return self.gate.wait(30)

        @ray.method(concurrency_group="io")
        def open(self):
            self.gate.set()
            return threading.current_thread().name

        def plain(self):
            return threading.current_thread().name

    actor = Mixed.remote()
    held = actor.wait.remote()
    assert "io" in ray.get(actor.open.remote(), timeout=30)
    assert ray.get(held, timeout=30) is True
    assert "io" in ray.get(actor.plain.options(concurrency_group="io").remote(), timeout=30)
    with pytest.raises(ValueError, match="no concurrency group 'gpu'"):
        ray.get(actor.plain.options(concurrency_group="gpu").remote(), timeout=30)


def test_every_coroutine_knows_which_call_it_is() -> None:
    @ray.remote
    class Asked:
        def __init__(self):
            self.both = asyncio.Barrier(2)

        async def first(self):
            return await self._said()

        async def second(self):
            return await self._said()

        async def _said(self):
            before = ray.get_runtime_context().get()
            await self.both.wait()
            inside = await asyncio.create_task(self._name())
            return before == ray.get_runtime_context().get(), inside, before["task_id"]

        async def _name(self):
            return ray.get_runtime_context().get_task_name()

        async def until_cancelled(self, started):
            try:
                await started.set.remote()
                await asyncio.sleep(1_000)
            except asyncio.CancelledError:
                return ray.get_runtime_context().is_canceled()

    @ray.remote
    class Event:
        def __init__(self):
            self.event = asyncio.Event()

        async def set(self):
            self.event.set()

        async def wait(self):
            await self.event.wait()

    asked = Asked.remote()
    first, second = asked.first.remote(), asked.second.remote()
    assert ray.get([first, second], timeout=20) == [
        (True, "Asked.first", first.hex()),
        (True, "Asked.second", second.hex()),
    ]
    started = Event.remote()
    cancelled = asked.until_cancelled.remote(started)
    ray.get(started.wait.remote(), timeout=20)
    ray.cancel(cancelled)
    assert ray.get(cancelled, timeout=20) is True


def test_a_call_in_a_thread_may_end_the_actor() -> None:
    @ray.remote(max_concurrency=2, num_cpus=0)
    class Leaver:
        def leave(self):
            actor.exit_actor()

        def fine(self):
            return 1

    # Which thread sleeps when the word comes is a matter of luck.
    for _ in range(20):
        leaver = Leaver.remote()
        assert ray.get(leaver.fine.remote(), timeout=20) == 1
        for method in (leaver.leave, leaver.fine):
            with pytest.raises(exceptions.ActorDiedError, match="exit_actor"):
                ray.get(method.remote(), timeout=20)


def test_a_group_that_does_not_exist_is_refused_at_once() -> None:
    class Wrong:
        @ray.method(concurrency_group="io")
        def call(self):
            pass

    with pytest.raises(ValueError, match="concurrency group 'io'"):
        ray.remote(Wrong).remote()


def test_an_async_group_holds_its_limit() -> None:
    @ray.remote(concurrency_groups={"one": 1})
    class Counting:
        def __init__(self):
            self.now = self.most = 0

        @ray.method(concurrency_group="one")
        async def call(self):
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.01)
            self.now -= 1

        async def seen(self):
            return self.most

    actor = Counting.remote()
    ray.get([actor.call.remote() for _ in range(5)], timeout=30)
    assert ray.get(actor.seen.remote(), timeout=30) == 1


def test_async_generators_stream_with_back_pressure() -> None:
    @ray.remote
    class Source:
        def __init__(self):
            self.made = 0

        async def count(self, stop):
            for number in range(stop):
                await asyncio.sleep(0)
                self.made += 1
                yield number

        async def made_so_far(self):
            return self.made

    source = Source.remote()
    assert [ray.get(ref, timeout=30) for ref in source.count.remote(5)] == list(range(5))


def test_dynamic_returns_are_one_ref_to_all_items() -> None:
    @ray.remote(num_returns="dynamic")
    def squares(stop):
        for number in range(stop):
            yield number * number

    @ray.remote
    def total(items):
        return sum(ray.get(list(items)))

    ref = squares.remote(5)
    made = ray.get(ref, timeout=30)
    assert len(made) == 5
    assert ray.get(list(made), timeout=30) == [0, 1, 4, 9, 16]
    assert ray.get(total.remote(ref), timeout=30) == 30

    @ray.remote(num_returns="dynamic")
    def broken():
        yield 1
        raise KeyError("two")

    with pytest.raises(KeyError, match="two"):
        ray.get(broken.remote(), timeout=30)
