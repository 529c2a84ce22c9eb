"""The role of the pump reaches whoever still waits, however the threads before it leave."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tradewind.runtime.core.pump import Pump, Waiter


class Line:
    """A pipe as a Handler: each byte that arrives finishes the waiters of that number."""

    def __init__(self, waiters: list[list[Waiter]]) -> None:
        self.waiters = waiters
        self.out, self.into = os.pipe()

    def on_ready(self, fd: int, _events: int) -> None:
        for number in os.read(fd, 1):
            for waiter in self.waiters[number]:
                waiter.finish()

    def before_poll(self) -> None: ...

    def timeout(self) -> float | None:
        return None

    def tick(self, now: float) -> None: ...


@pytest.fixture
def opened() -> Iterator[Callable[[list[list[Waiter]]], tuple[Pump, Line]]]:
    made: list[tuple[Pump, Line]] = []

    def make(waiters: list[list[Waiter]]) -> tuple[Pump, Line]:
        line = Line(waiters)
        pump = Pump(line)
        pump.register(line.out)
        made.append((pump, line))
        return pump, line

    yield make
    for pump, line in made:
        pump.close()
        os.close(line.out)
        os.close(line.into)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def start(pump: Pump, waiter: Waiter, answers: list[bool], timeout: float = 20.0) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(pump.wait(waiter, time.monotonic() + timeout)))
    thread.start()
    return thread


def bring(line: Line, threads: list[threading.Thread]) -> None:
    """The first message, which ends two of the three waits; then, to whoever pumps by now, the second."""
    os.write(line.into, b"\0")
    for thread in threads[:2]:
        thread.join(20)
    os.write(line.into, b"\1")
    threads[2].join(30)


def test_who_has_what_it_waited_for_passes_the_role_on(
    opened: Callable[[list[list[Waiter]]], tuple[Pump, Line]],
) -> None:
    first, second, third = Waiter(), Waiter(), Waiter()
    # One message brings what the pumping thread and the next in line wait for; a later one what the last waits for.
    pump, line = opened([[second, first], [third]])
    answers: list[bool] = []
    threads = [start(pump, first, answers)]
    until(lambda: pump.sleeping)
    threads.append(start(pump, second, answers))
    until(lambda: second.gate is not None and len(pump._parked) == 1)
    threads.append(start(pump, third, answers))
    until(lambda: len(pump._parked) == 2)
    bring(line, threads)
    assert answers == [True, True, True]


class Interrupted(threading.Event):
    """A gate at which Ctrl-C arrives as soon as it opens."""

    reached = False

    def wait(self, timeout: float | None = None) -> bool:
        self.reached = True
        super().wait(timeout)
        raise KeyboardInterrupt


def test_who_is_interrupted_passes_the_role_on(
    opened: Callable[[list[list[Waiter]]], tuple[Pump, Line]],
) -> None:
    first, second, third = Waiter(), Waiter(), Waiter()
    pump, line = opened([[first], [third]])
    gate = second.gate = Interrupted()
    answers: list[bool] = []
    threads = [start(pump, first, answers)]
    until(lambda: pump.sleeping)

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            pump.wait(second, time.monotonic() + 20)

    threads.append(threading.Thread(target=interrupted))
    threads[1].start()
    until(lambda: gate.reached)
    threads.append(start(pump, third, answers))
    until(lambda: len(pump._parked) == 2)
    bring(line, threads)
    assert answers == [True, True]
