from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import alive, eventually
from tradewind.runtime import actor, exceptions

pytestmark = pytest.mark.usefixtures("cluster")


@ray.remote
class Counter:
    def __init__(self, start=0):
        self.value = start

    def add(self, amount=1):
        self.value += amount
        return self.value

    def pid(self):
        return os.getpid()

    def die(self):
        os._exit(3)

    def fail(self):
        raise KeyError("mine")


def test_state_and_order() -> None:
    counter = Counter.remote(10)
    assert ray.get([counter.add.remote() for _ in range(200)], timeout=20) == list(range(11, 211))


def test_an_unready_argument_holds_back_the_callers_later_calls() -> None:
    @ray.remote
    def slowly():
        time.sleep(0.3)
        return 100

    counter = Counter.remote()
    late = counter.add.remote(slowly.remote())
    after = counter.add.remote(1)
    assert ray.get([late, after], timeout=20) == [100, 101]


def test_handles_travel_and_keep_the_actor() -> None:
    @ray.remote
    def use(handle):
        return ray.get([handle.add.remote() for _ in range(10)])[-1]

    counter = Counter.remote()
    assert ray.get([use.remote(counter) for _ in range(3)], timeout=30)[-1] is not None
    assert ray.get(counter.add.remote(0), timeout=20) == 30


def test_an_actor_ends_with_its_last_handle_after_its_calls() -> None:
    counter = Counter.remote()
    pid = ray.get(counter.pid.remote(), timeout=20)
    last = counter.add.remote(5)
    del counter
    assert ray.get(last, timeout=20) == 5
    assert eventually(lambda: not alive(pid))
    assert ray.get(Counter.remote(1).add.remote(), timeout=20) == 2


def test_errors_of_methods_and_constructors() -> None:
    counter = Counter.remote()
    with pytest.raises(KeyError):
        ray.get(counter.fail.remote(), timeout=20)
    assert ray.get(counter.add.remote(), timeout=20) == 1
    with pytest.raises(AttributeError, match="no method 'missing'"):
        counter.missing.remote()

    @ray.remote
    class Broken:
        def __init__(self):
            raise ZeroDivisionError("in the constructor")

        def method(self):
            return 1

    broken = Broken.remote()
    for _ in range(2):
        with pytest.raises(exceptions.ActorDiedError, match="in the constructor"):
            ray.get(broken.method.remote(), timeout=20)


def test_death_says_how_and_later_calls_say_it_again() -> None:
    counter = Counter.remote()
    with pytest.raises(exceptions.ActorDiedError, match="exit code 3"):
        ray.get(counter.die.remote(), timeout=20)
    with pytest.raises(exceptions.ActorDiedError, match="exit code 3"):
        ray.get(counter.add.remote(), timeout=20)


def test_a_restart_is_a_new_life_and_max_task_retries_hides_it() -> None:
    counter = Counter.options(max_restarts=1).remote(7)
    first = ray.get(counter.pid.remote(), timeout=20)
    with pytest.raises(exceptions.RayActorError):
        ray.get(counter.die.remote(), timeout=20)
    assert ray.get(counter.add.remote(), timeout=20) == 8
    assert ray.get(counter.pid.remote(), timeout=20) != first
    with pytest.raises(exceptions.ActorDiedError, match="max_restarts"):
        ray.get(counter.die.remote(), timeout=20)


def test_calls_are_retried_in_order(tmp_path) -> None:
    @ray.remote(max_restarts=1, max_task_retries=1)
    class Fragile:
        def __init__(self):
            self.seen = []

        def see(self, number):
            marker = tmp_path / "crashed"
            if number == 2 and not marker.exists():
                marker.touch()
                os._exit(1)
            self.seen.append(number)
            return list(self.seen)

    fragile = Fragile.remote()
    results = ray.get([fragile.see.remote(number) for number in range(5)], timeout=30)
    assert results[-1] == [2, 3, 4]


def test_kill_is_final_and_names_are_free_again() -> None:
    counter = Counter.options(name="bob", max_restarts=-1).remote(1)
    assert ray.get(ray.get_actor("bob").add.remote(), timeout=20) == 2
    with pytest.raises(ValueError, match="bob"):
        Counter.options(name="bob").remote()
    same = Counter.options(name="bob", get_if_exists=True).remote()
    assert same == counter
    ray.kill(counter)
    with pytest.raises(exceptions.ActorDiedError, match="kill"):
        ray.get(counter.add.remote(), timeout=20)
    with pytest.raises(ValueError, match="No actor named"):
        ray.get_actor("bob")


def test_async_methods_overlap() -> None:
    @ray.remote
    class Meeting:
        def __init__(self):
            self.event = asyncio.Event()

        async def wait(self):
            await self.event.wait()
            return "met"

        async def arrive(self):
            self.event.set()

    meeting = Meeting.remote()
    waiting = [meeting.wait.remote() for _ in range(20)]
    meeting.arrive.remote()
    assert ray.get(waiting, timeout=20) == ["met"] * 20


def test_threaded_actors_overlap() -> None:
    @ray.remote(max_concurrency=4)
    class Meeting:
        def __init__(self):
            self.all_here = threading.Barrier(4)

        def wait(self):
            return self.all_here.wait(timeout=60) >= 0

    meeting = Meeting.remote()
    assert ray.get([meeting.wait.remote() for _ in range(4)], timeout=80) == [True] * 4


def test_methods_may_return_several_values_and_actors_may_leave() -> None:
    @ray.remote
    class Odd:
        @ray.method(num_returns=2)
        def pair(self):
            return 1, 2

        def leave(self):
            actor.exit_actor()

    odd = Odd.options(max_restarts=5).remote()
    assert ray.get(odd.pair.remote(), timeout=20) == [1, 2]
    for last in (odd.leave.remote(), odd.pair.remote()[0]):
        with pytest.raises(exceptions.ActorDiedError, match="exit_actor"):
            ray.get(last, timeout=20)


def test_an_actor_that_ends_in_peace_cleans_up(tmp_path) -> None:
    @ray.remote(num_cpus=0)
    class Tidy:
        def __init__(self, path):
            self.path = path

        def __ray_shutdown__(self):
            atexit.register(open, self.path + ".atexit", "w")
            with open(self.path, "w") as file:
                file.write(str(ray.get(ray.put(7))))
            raise ValueError("which harms nobody")

        def leave(self):
            actor.exit_actor()

        def pid(self):
            return os.getpid()

    for end in ("scope", "exit", "terminate", "kill"):
        path = tmp_path / end
        tidy = Tidy.remote(str(path))
        pid = ray.get(tidy.pid.remote(), timeout=20)
        if end == "exit":
            ray.wait([tidy.leave.remote()], timeout=20)
        elif end == "terminate":
            ray.wait([tidy.__ray_terminate__.remote()], timeout=20)
        elif end == "kill":
            ray.kill(tidy)
        del tidy
        assert eventually(lambda pid=pid: not alive(pid)), end  # type: ignore[misc]
        assert path.exists() == (end != "kill"), end
        assert end == "kill" or (path.read_text(), (tmp_path / f"{end}.atexit").exists()) == ("7", True)


def test_sys_exit_in_a_method_ends_the_actor() -> None:
    @ray.remote(max_restarts=1, num_cpus=0)
    class Leaver:
        def leave(self, status):
            sys.exit(status)

        def is_second(self):
            return ray.get_runtime_context().was_current_actor_reconstructed

    @ray.remote(num_cpus=0)
    class AsyncLeaver:
        async def leave(self, status):
            sys.exit(status)

    for status in (0, None):
        leaver = Leaver.remote()
        for call in (leaver.leave.remote(status), leaver.is_second.remote()):
            with pytest.raises(exceptions.ActorDiedError, match=r"leave\(\) called sys\.exit"):
                ray.get(call, timeout=20)
    leaver = Leaver.remote()
    with pytest.raises(exceptions.ActorUnavailableError, match="exit code 7"):
        ray.get(leaver.leave.remote(7), timeout=20)
    assert ray.get(leaver.is_second.options(max_task_retries=-1).remote(), timeout=20)
    with pytest.raises(exceptions.ActorDiedError, match="no more fuel"):
        ray.get(AsyncLeaver.remote().leave.remote("no more fuel"), timeout=20)


def test_a_cancelled_call_that_waits_for_its_argument_holds_nobody_up() -> None:
    @ray.remote(num_cpus=0)
    class Gate:
        def __init__(self):
            self.event = asyncio.Event()

        async def passed(self):
            await self.event.wait()

    counter = Counter.remote()
    assert ray.get(counter.add.remote(1), timeout=20) == 1
    never = Gate.remote().passed.remote()
    waiting, behind = counter.add.remote(never), counter.add.remote(1)
    ray.cancel(waiting)
    with pytest.raises(exceptions.TaskCancelledError):
        ray.get(waiting, timeout=20)
    assert ray.get(behind, timeout=20) == 2


def test_many_may_ask_for_a_named_actor_at_once() -> None:
    @ray.remote(num_cpus=0)
    class Only:
        def pid(self):
            return os.getpid()

    def ask(_number: int) -> int:
        return int(
            ray.get(
                Only.options(name="only", get_if_exists=True, lifetime="detached").remote().pid.remote(), timeout=20
            )
        )

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(16)))) == 1

    def create(_number: int) -> ray.ActorHandle | None:
        try:
            return Only.options(name="one").remote()
        except exceptions.ActorAlreadyExistsError:
            return None

    with ThreadPoolExecutor(8) as threads:
        made = [handle for handle in threads.map(create, range(8)) if handle is not None]
    assert len(made) == 1
    ray.kill(ray.get_actor("only"))


def test_a_class_of_actors_is_no_base_class() -> None:
    with pytest.raises(TypeError, match="Counter.__wrapped__"):

        class Derived(Counter):
            pass


def test_more_actors_than_cpus() -> None:
    counters = [Counter.remote(number) for number in range(8)]
    assert ray.get([counter.add.remote() for counter in counters], timeout=30) == list(range(1, 9))


def test_an_actor_that_fits_nowhere_is_refused() -> None:
    with pytest.raises(exceptions.ActorUnschedulableError, match="64 CPU"):
        ray.get(Counter.options(num_cpus=64).remote().add.remote(), timeout=20)


def test_actors_call_each_other() -> None:
    @ray.remote
    class Left:
        def __init__(self, right):
            self.right = right

        def go(self):
            return ray.get(self.right.add.remote(41))

    assert ray.get(Left.remote(Counter.remote(1)).go.remote(), timeout=20) == 42


def test_an_actor_may_call_itself() -> None:
    @ray.remote
    class Steps:
        def __init__(self):
            self.done = []

        def step(self, me, number):
            self.done.append(number)
            if number:
                me.step.remote(me, number - 1)
            return number

        def seen(self):
            return list(self.done)

    actor = Steps.remote()
    ray.get(actor.step.remote(actor, 3), timeout=30)
    assert eventually(lambda: ray.get(actor.seen.remote(), timeout=30) == [3, 2, 1, 0])
