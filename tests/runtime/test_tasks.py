from __future__ import annotations

import os
import threading
import time

import pytest

import tradewind.runtime as ray
from tradewind.runtime import exceptions

pytestmark = pytest.mark.usefixtures("cluster")


@ray.remote
def add(left, right=0):
    return left + right


def test_arguments_results_and_order() -> None:
    assert ray.get(add.remote(1, right=2), timeout=20) == 3
    assert ray.get([add.remote(number) for number in range(500)], timeout=20) == list(range(500))


def test_top_level_refs_are_resolved_and_nested_ones_are_not() -> None:
    @ray.remote
    def kinds(direct, nested, *, named):
        return direct, type(nested[0]).__name__, ray.get(nested[0]), named

    assert ray.get(kinds.remote(add.remote(1, 1), [ray.put(5)], named=ray.put(7)), timeout=20) == (2, "ObjectRef", 5, 7)


def test_several_results_and_none() -> None:
    @ray.remote(num_returns=3)
    def three():
        return 1, 2, 3

    @ray.remote(num_returns=2)
    def wrong():
        return 1, 2, 3

    @ray.remote(num_returns=0)
    def nothing():
        return None

    assert ray.get(three.remote(), timeout=20) == [1, 2, 3]
    assert nothing.remote() is None
    with pytest.raises(ValueError, match="num_returns is 2"):
        ray.get(wrong.remote()[0], timeout=20)


def test_recursion_deeper_than_there_are_cpus() -> None:
    @ray.remote
    def fibonacci(number):
        return number if number < 2 else sum(ray.get([fibonacci.remote(number - 1), fibonacci.remote(number - 2)]))

    assert ray.get(fibonacci.remote(7), timeout=60) == 13


def test_a_waiting_task_lends_its_cpu() -> None:
    @ray.remote(num_cpus=2)
    def outer():
        return ray.get(add.remote(1))

    assert ray.get([outer.remote() for _ in range(3)], timeout=30) == [1, 1, 1]


def test_tasks_behind_a_blocked_one_run_elsewhere() -> None:
    """The first call waits for what a later call, sent to the same worker, brings about."""

    @ray.remote
    class Flag:
        def __init__(self):
            self.up = False

        def set(self):
            self.up = True

        def get(self):
            return self.up

    @ray.remote
    def wait_for(flag):
        while not ray.get(flag.get.remote()):
            time.sleep(0.01)
        return "seen"

    @ray.remote
    def raise_flag(flag):
        ray.get(flag.set.remote())

    flag = Flag.remote()
    waiting = [wait_for.remote(flag) for _ in range(3)]
    raise_flag.options(num_cpus=0).remote(flag)
    assert ray.get(waiting, timeout=30) == ["seen"] * 3


def test_user_exceptions_are_of_both_classes_and_carry_the_remote_traceback() -> None:
    class Mine(ValueError):
        def __init__(self, code, *, text):
            super().__init__(code)
            self.code = code
            self.text = text

        def __reduce__(self):
            return _make_mine, (Mine, self.code, self.text)

    @ray.remote
    def fail():
        raise Mine(7, text="seven")

    with pytest.raises(Mine) as caught:
        ray.get(fail.remote(), timeout=20)
    assert isinstance(caught.value, exceptions.RayTaskError)
    assert isinstance(caught.value.cause, Mine)
    assert caught.value.code == 7
    assert caught.value.args == (caught.value.cause,)
    assert "raise Mine(7" in str(caught.value)
    assert "execution.py" not in str(caught.value)


def _make_mine(kind, code, text):
    return kind(code, text=text)


def test_an_error_keeps_its_class_through_nested_tasks() -> None:
    @ray.remote
    def inner():
        raise KeyError("deep")

    @ray.remote
    def outer():
        return ray.get(inner.remote())

    with pytest.raises(KeyError) as caught:
        ray.get(outer.remote(), timeout=20)
    assert isinstance(caught.value.cause, KeyError)
    assert "inner() raised" in str(caught.value)
    assert "outer() raised" in str(caught.value)


def test_an_exception_that_does_not_come_back_still_shows_its_text() -> None:
    class Awkward(Exception):
        def __init__(self, first, second):
            super().__init__(f"{first} and {second}")

    @ray.remote
    def fail():
        raise Awkward("this", "that")

    with pytest.raises(exceptions.UnserializableException, match="this and that") as caught:
        ray.get(fail.remote(), timeout=20)
    assert isinstance(caught.value, exceptions.RayTaskError)


def test_an_exception_whose_class_is_elsewhere_still_shows_its_text(tmp_path) -> None:
    package = tmp_path / "only_in_workers"
    package.mkdir()
    (package / "__init__.py").write_text("class Odd(Exception): pass\ndef fail(): raise Odd('far away')\n")

    @ray.remote(runtime_env={"py_modules": [str(package)]})
    def fail():
        import only_in_workers

        only_in_workers.fail()

    with pytest.raises(exceptions.UnserializableException, match="far away") as caught:
        ray.get(fail.remote(), timeout=20)
    assert "in fail" in str(caught.value), "the user's traceback"
    assert "only_in_workers" in str(caught.value)


def test_a_group_of_exceptions_can_be_caught_in_parts() -> None:
    @ray.remote
    def fail():
        raise ExceptionGroup("both", [ValueError("one"), KeyError("two")])

    seen = []
    try:
        ray.get(fail.remote(), timeout=20)
    except* ValueError as group:
        seen += [str(it) for it in group.exceptions]
    except* KeyError as group:
        seen += [str(it) for it in group.exceptions]
    assert seen == ["one", "'two'"]


def test_a_failed_argument_fails_the_dependent_without_running_it(tmp_path) -> None:
    @ray.remote
    def fail():
        raise KeyError("first")

    @ray.remote
    def touch(_value, path):
        open(path, "w").close()

    with pytest.raises(KeyError) as caught:
        ray.get(touch.remote(fail.remote(), str(tmp_path / "ran")), timeout=20)
    assert "touch() did not run, because an argument of it failed" in str(caught.value)
    assert "fail() raised" in str(caught.value)
    assert isinstance(caught.value.cause, KeyError)
    assert not (tmp_path / "ran").exists()


def test_a_list_raises_as_soon_as_one_has_failed() -> None:
    @ray.remote
    def fail():
        raise KeyError("x")

    @ray.remote
    def slow():
        time.sleep(600)

    refs = [slow.remote(), fail.remote()]
    with pytest.raises(KeyError):
        ray.get(refs, timeout=60)
    ray.cancel(refs[0], force=True)


def test_retries_of_exceptions_are_asked_for(tmp_path) -> None:
    path = tmp_path / "tries"

    @ray.remote(max_retries=2, retry_exceptions=[KeyError])
    def flaky(kind):
        with open(path, "a") as file:
            file.write("x")
        if path.stat().st_size < 3:
            raise kind("again")
        return "done"

    assert ray.get(flaky.remote(KeyError), timeout=20) == "done"
    path.unlink()
    with pytest.raises(OSError, match="again"):
        ray.get(flaky.remote(OSError), timeout=20)
    assert path.read_text() == "x"


def test_wait_and_timeouts() -> None:
    @ray.remote
    def sleep(seconds):
        time.sleep(seconds)
        return seconds

    refs = [sleep.remote(30), sleep.remote(0)]
    ready, rest = ray.wait(refs, timeout=20)
    assert ready == [refs[1]]
    assert rest == [refs[0]]
    assert ray.wait(refs, num_returns=2, timeout=0.05) == ([refs[1]], [refs[0]])
    with pytest.raises(TimeoutError):
        ray.get(refs[0], timeout=0)
    with pytest.raises(ValueError, match="twice"):
        ray.wait([refs[0], refs[0]])
    with pytest.raises(ValueError, match="num_returns"):
        ray.wait(refs, num_returns=3)
    ray.cancel(refs[0], force=True)


def test_cancel_queued_running_and_forced() -> None:
    @ray.remote(num_cpus=2)
    def spin():
        while True:
            time.sleep(0.01)

    running = spin.remote()
    queued = spin.remote()
    time.sleep(0.3)
    ray.cancel(queued)
    with pytest.raises(exceptions.TaskCancelledError):
        ray.get(queued, timeout=20)
    ray.cancel(running)
    with pytest.raises(exceptions.TaskCancelledError):
        ray.get(running, timeout=20)
    forced = spin.options(max_retries=5).remote()
    time.sleep(0.2)
    ray.cancel(forced, force=True)
    with pytest.raises(exceptions.TaskCancelledError):
        ray.get(forced, timeout=20)
    ray.cancel(forced)


def test_what_cannot_be_pickled_is_named() -> None:
    lock = threading.Lock()

    @ray.remote
    def uses_lock():
        return lock

    with pytest.raises(TypeError, match="lock"):
        uses_lock.remote()
    with pytest.raises(TypeError, match=r"add\(\) cannot be sent"):
        add.remote({"a": lock})

    @ray.remote
    def returns_lock():
        return threading.Lock()

    with pytest.raises(TypeError, match="pickle"):
        ray.get(returns_lock.remote(), timeout=20)


def test_the_impossible_is_said_at_once() -> None:
    with pytest.raises(exceptions.TaskUnschedulableError, match="64 CPU.*2 CPU"):
        ray.get(add.options(num_cpus=64).remote(1), timeout=20)
    with pytest.raises(ValueError, match="did you mean 'num_cpus'"):
        add.options(num_cpu=1)


def test_misuse_is_answered_in_a_sentence() -> None:
    with pytest.raises(TypeError, match=r"add\.remote"):
        add(1)
    with pytest.raises(ValueError, match="ObjectRef"):
        ray.get(5)
    with pytest.raises(TypeError, match="ObjectRef"):
        ray.get([5])
    with pytest.raises(TypeError, match="ref already"):
        ray.put(ray.put(1))
    with pytest.raises(ValueError, match="async"):

        @ray.remote
        async def no():
            pass


def test_many_threads_may_call_at_once() -> None:
    results: list[int] = []

    def work(base: int) -> None:
        results.extend(ray.get(add.remote(base, number), timeout=30) - number - base for number in range(50))

    threads = [threading.Thread(target=work, args=(base,)) for base in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 300


def test_futures_and_await() -> None:
    import asyncio

    async def gather() -> list[int]:
        return list(await asyncio.gather(*(add.remote(number).as_future() for number in range(5)), _one()))

    async def _one() -> int:
        return await add.remote(5)

    assert add.remote(1, 1).future().result(20) == 2
    assert asyncio.run(gather()) == [0, 1, 2, 3, 4, 5]


def test_the_context_knows_where_it_is() -> None:
    @ray.remote(num_cpus=0.5)
    def look():
        context = ray.get_runtime_context()
        return (
            context.get_node_id(),
            context.get_assigned_resources(),
            context.get_task_id() is not None,
            context.get_actor_id(),
            os.getpid(),
        )

    node, assigned, has_task, actor, pid = ray.get(look.remote(), timeout=20)
    assert node == ray.get_runtime_context().get_node_id()
    assert assigned == {"CPU": 0.5}
    assert has_task
    assert actor is None
    assert pid != os.getpid()
    assert ray.get_runtime_context().get_task_id() is None


def test_accelerators_are_numbered_per_worker() -> None:
    ray.shutdown()
    ray.init(num_cpus=2, num_gpus=2)

    @ray.remote(num_gpus=1)
    def visible():
        time.sleep(0.2)
        return os.environ["CUDA_VISIBLE_DEVICES"]

    assert sorted(ray.get([visible.remote(), visible.remote()], timeout=20)) == ["0", "1"]
