"""Pipelines in this machine's runtime."""

from __future__ import annotations

import asyncio
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tradewind as tw
from tradewind import runtime
from tradewind.pipelines.fitting import fitted

WAIT_S = 30.0


@pytest.fixture(autouse=True)
def two_cpus(no_leaks: None) -> Iterator[None]:
    runtime.init(num_cpus=2, num_gpus=0, object_store_memory=256 << 20, log_to_driver=False)
    yield
    runtime.shutdown()


@tw.step(cpus=1)
def numbers(n: int) -> list[int]:
    return list(range(n))


@tw.step
def times(x: int, *, by: int = 1) -> int:
    if x == 13:
        raise KeyError("thirteen is unlucky")
    return x * by


@tw.step
def total(values: list[int]) -> int:
    return sum(values)


@tw.step
def process_id(_token: object = None) -> int:
    return os.getpid()


def test_runs_in_order_side_by_side_and_together_again() -> None:
    @tw.pipeline
    def flow(n: int) -> int:
        return total(times.map([1, 2, 3], by=total(numbers(n))))

    run = flow.run(4)
    assert run.result(WAIT_S) == flow(4) == 36
    assert run.wait(WAIT_S)
    assert list(run.states()) == ["numbers", "total", "times[0]", "times[1]", "times[2]", "total-2"]
    assert set(run.states().values()) == {"SUCCEEDED"}


def test_a_list_that_a_step_makes_is_taken_apart_when_it_is_there() -> None:
    @tw.pipeline
    def flow(n: int) -> dict[str, Any]:
        found = numbers(n)
        scaled = times.map(found, by=total(found))
        return {"all": scaled, "sum": total(scaled), "as it was": (n, [found])}

    assert flow.run(4).result(WAIT_S) == flow(4) == {"all": [0, 6, 12, 18], "sum": 36, "as it was": (4, [[0, 1, 2, 3]])}
    assert flow.run(0).result(WAIT_S)["all"] == []


def test_steps_run_in_other_processes_and_their_arrays_go_through_the_store() -> None:
    @tw.step
    def large() -> np.ndarray[Any, Any]:
        return np.arange(2_000_000)

    @tw.step
    def sums(array: np.ndarray[Any, Any]) -> tuple[int, bool]:
        return int(array.sum()), array.flags.writeable

    @tw.pipeline
    def flow() -> list[Any]:
        made = large()
        return [sums(made), process_id(made)]

    (summed, writeable), pid = flow.run().result(WAIT_S)
    assert summed == sum(range(2_000_000))
    assert not writeable  # it is the one copy that the store has
    assert pid != os.getpid()


@pytest.mark.parametrize("n", [None, 14], ids=["listed", "made by a step"])
def test_a_failed_step_raises_the_users_error_with_its_name(n: int | None) -> None:
    @tw.pipeline
    def flow() -> int:
        return total(times.map([1, 13] if n is None else numbers(n)))

    run = flow.run()
    name = "times[1]" if n is None else "times[13]"
    with pytest.raises(KeyError, match="thirteen") as caught:
        run.result(WAIT_S)
    assert type(caught.value) is KeyError
    assert caught.value.__notes__ == [f"raised by step {name} of pipeline flow"]
    cause = caught.value.__cause__
    assert isinstance(cause, tw.StepFailed)
    assert (cause.pipeline, cause.step) == ("flow", name)
    assert "thirteen" in cause.why
    assert run.states()["total"] == "FAILED"


def test_a_step_whose_process_dies_is_named() -> None:
    @tw.step
    def dies() -> None:
        os._exit(7)

    @tw.pipeline
    def flow() -> int:
        return times(dies())  # type: ignore[arg-type, func-returns-value]

    with pytest.raises(tw.StepFailed, match=r"step dies of pipeline flow failed: .*exit code 7"):
        flow.run().result(WAIT_S)


def test_a_process_that_dies_within_a_fan_out_is_named() -> None:
    @tw.step
    def dies(x: int) -> None:
        os._exit(7 if x else 0)

    @tw.pipeline
    def flow() -> list[None]:
        return dies.map(numbers(2))

    with pytest.raises(tw.StepFailed, match=r"^step dies of pipeline flow failed: .*exit code \d\.$"):
        flow.run().result(WAIT_S)


def test_a_failure_of_a_step_that_nobody_reads_is_told() -> None:
    @tw.pipeline
    def flow() -> int:
        times(13)
        return times(1)

    with pytest.raises(KeyError):
        flow.run().result(WAIT_S)


def test_retries_make_the_call_again(tmp_path: pathlib.Path) -> None:
    marks = tmp_path / "calls"

    @tw.step(retries=2)
    def flaky() -> int:
        with marks.open("a") as file:
            file.write("x")
        if marks.stat().st_size < 3:
            raise OSError("not yet")
        return marks.stat().st_size

    @tw.pipeline
    def flow() -> int:
        return flaky()

    assert flow.run().result(WAIT_S) == 3


def test_times_out_goes_on_and_is_cancelled(tmp_path: pathlib.Path) -> None:
    gate = tmp_path / "gate"

    @tw.step
    def waits() -> int:
        deadline = time.monotonic() + WAIT_S
        while not gate.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return 1

    @tw.pipeline
    def flow() -> int:
        return waits()

    run = flow.run()
    with pytest.raises(TimeoutError, match="has no result after 0.1 s; it goes on"):
        run.result(0.1)
    assert run.states() == {"waits": "WAITING"}
    assert not run.wait(0)
    gate.touch()
    assert run.result(WAIT_S) == 1
    gate.unlink()
    ended = flow.run()
    ended.cancel()
    with pytest.raises(tw.StepFailed):
        ended.result(WAIT_S)


def test_is_awaited() -> None:
    @tw.pipeline
    def flow(n: int) -> int:
        return total(numbers(n))

    async def both() -> tuple[int, int]:
        return await flow.run(3), await flow.run(4)

    assert asyncio.run(both()) == (3, 6)


def test_what_this_machine_lacks_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    @tw.step(accelerators="A100:8", cpus="64+", memory="100000+")
    def huge() -> int:
        return 1

    @tw.pipeline
    def flow() -> list[int]:
        return huge.map([], []) + [huge(), huge()]

    run = flow.run()
    assert run.result(WAIT_S) == [1, 1]
    assert [remark.split(": ")[1].split(" and runs")[0] for remark in run.remarks[:3]] == [
        "asks for 64 vCPUs", "asks for 8 A100", "asks for 100000 GiB of memory",
    ]  # fmt: skip
    assert "huge: asks for 8 A100 and runs without" in caplog.text


def test_what_it_has_is_asked_of_the_runtime() -> None:
    task = tw.Task(resources=tw.Resources(cpus="2+", memory=4, accelerators="A100:2")).spec
    options, without = fitted(task, {"CPU": 8.0, "GPU": 2.0, "memory": 16.0 * (1 << 30)})
    assert options == {"num_cpus": 2.0, "num_gpus": 2.0, "memory": 4 << 30}
    assert without == ()
