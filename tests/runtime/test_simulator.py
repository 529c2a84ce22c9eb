from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradewind.runtime import exceptions, object_ref
from tradewind.runtime.core.failures import load_error
from tradewind.runtime.messages.values import Failed
from tradewind.runtime.object_ref import ObjectRef
from tradewind.runtime.simulated_process import SimulatedHandle, SimulatedProcess
from tradewind.runtime.simulator import Simulation

NAMES = [
    "call", "call", "call", "nested", "by value", "by value", "put", "put large", "put large", "put large", "actor", "actor call", "actor keep", "actor drop", "drop", "drop", "drop handle",
    "cancel", "steps", "steps", "steps", "steps", "kill worker", "kill node", "join", "duplicate",
    "kill head", "start head", "cut", "silence", "heal", "disk",
]  # fmt: skip
ACTIONS = st.tuples(st.sampled_from(NAMES), st.integers(0, 1000))


@pytest.fixture(autouse=True)
def unbound():
    """Whatever process a simulation was last in, this one is in none."""
    before = object_ref.bound
    yield
    object_ref.bound = before


class Play:
    """Drivers that do what a list of actions says, and everything that must hold of it."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.simulation = Simulation(rng.randrange, nodes=2, cpus=2)
        home = self.simulation.nodes["n1"]
        self.simulation.settle()
        self.drivers = [self.simulation.add_driver(home) for _ in range(2)]
        self.refs: list[list[ObjectRef]] = [[], []]
        self.handles: list[list[SimulatedHandle]] = [[], []]
        self.kills = 0

    def act(self, what: str, number: int) -> None:
        simulation = self.simulation
        side = number % 2
        driver, refs, handles = self.drivers[side], self.refs[side], self.handles[side]
        ref = refs[number % len(refs)] if refs else None
        program = ("nothing", "give back", "put", "large", "child", "fail")[number % 6]
        if what == "call":
            refs.append(driver.call(program))
        elif what == "nested" and ref is not None:
            refs.append(driver.call(program, [ref]))
        elif what == "by value" and ref is not None:
            refs.append(driver.call(program, ref))
        elif what == "put":
            object_ref.bound = driver
            refs.append(driver.objects.put(number))
        elif what == "put large":
            object_ref.bound = driver
            driver.put_large(refs)
        elif what == "disk":
            simulation.disk_full = number % 2 == 0
        elif what == "actor" and len(handles) < 2:
            handles.append(driver.actor(max_restarts=number % 3, max_task_retries=number % 2))
        elif what == "drop handle" and handles:
            handles.pop(number % len(handles))
        elif what.startswith("actor ") and handles:
            handle = handles[number % len(handles)]
            todo = {"actor call": program, "actor keep": "keep", "actor drop": "drop"}[what]
            refs.append(handle.call(todo, *([[ref]] if ref is not None else [])))
        elif what == "drop" and refs:
            refs.pop(number % len(refs))
        elif what == "cancel" and ref is not None:
            object_ref.bound = driver
            driver.calls.cancel(ref, force=False, recursive=True)
        elif what == "steps":
            for _ in range(number % 40):
                simulation.step()
                self.note_cancelled()
                simulation.validate()
        elif what == "kill worker":
            workers = sorted(set(simulation.processes) - {driver.address for driver in self.drivers})
            if workers:
                self.kills += 1
                simulation.kill_process(workers[number % len(workers)])
        elif what == "kill node" and len(simulation.nodes) > 1:
            self.kills += 1
            simulation.kill_node(min(set(simulation.nodes) - {"n1"}))
        elif what in {"kill head", "start head", "cut", "silence", "heal"}:
            self.trouble(what, number)
        elif what == "join" and len(simulation.nodes) < 3:
            simulation.add_node(2)
        elif what == "duplicate":
            simulation.head.say_twice = True
        for driver in self.drivers:
            driver.finish_turn()
        self.note_cancelled()
        simulation.validate()

    def trouble(self, what: str, number: int) -> None:
        simulation = self.simulation
        cut = simulation.network.cut
        if what == "kill head" and simulation.head.alive:
            simulation.head.die()
        elif what == "start head" and not simulation.head.alive:
            simulation.head.start()
        elif what == "cut" and not cut and len(simulation.nodes) > 1:
            simulation.cut_off(max(simulation.nodes))
        elif what == "silence" and cut and simulation.head.alive:
            self.kills += 1
            simulation.fall_silent(next(iter(cut)), noticed_there=number % 2 == 0)
        elif what == "heal":
            simulation.heal()

    def note_cancelled(self) -> None:
        """A call whose result says that it was cancelled must not begin from now on."""
        for driver in self.drivers:
            for key, entry in driver.table.entries.items():
                if isinstance(key, int) and type(entry.value) is Failed and b"TaskCancelledError" in entry.value.error:
                    self.simulation.cancelled.add((driver.address, key))

    def finish(self) -> None:
        self.simulation.heal()
        self.simulation.disk_full = False
        if not self.simulation.head.alive:
            self.simulation.head.start()
        self.simulation.settle()
        self.note_cancelled()
        self.simulation.validate()
        for driver, refs in zip(self.drivers, self.refs, strict=True):
            self.check_all(driver, refs)
            assert not driver.calls.open, [call.name for call in driver.calls.open.values()]
        for refs, handles in zip(self.refs, self.handles, strict=True):
            refs.clear()
            handles.clear()
        for driver in self.drivers:
            driver.finish_turn()
        self.simulation.settle()
        assert self.simulation.leftovers() == {}

    def check_all(self, driver: SimulatedProcess, refs: list[ObjectRef]) -> None:
        for ref in refs:
            self.check(driver, ref)

    def check(self, driver: SimulatedProcess, ref: ObjectRef) -> None:
        entry = driver.table.entries[ref.key]
        assert entry.value is not None, f"{ref} has no result"
        if type(entry.value) is Failed:
            object_ref.bound = driver
            error = load_error(entry.value)
            assert not isinstance(error, exceptions.ReferenceCountingAssertionError), "lost while it was referenced"
            allowed: tuple[type[BaseException], ...] = (ValueError, exceptions.TaskCancelledError)
            if self.kills:
                allowed += (
                    exceptions.WorkerCrashedError, exceptions.RayActorError, exceptions.OwnerDiedError, exceptions.ObjectLostError,
                )  # fmt: skip
            allowed += (exceptions.ObjectStoreFullError,)
            assert isinstance(error, allowed) or "out of scope" in str(error), error

    def close(self) -> None:
        for node in self.simulation.nodes.values():
            node.close()


@given(st.lists(ACTIONS, max_size=40), st.integers(0, 2**32))
@settings(
    max_examples=int(os.environ.get("TRADEWIND_STORIES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_whatever_happens_in_whatever_order_nothing_is_lost_kept_or_never_ends(
    actions: list[tuple[str, int]], seed: int
) -> None:
    play = Play(seed)
    try:
        for what, number in actions:
            play.act(what, number)
        play.finish()
    finally:
        play.close()


def test_calls_end_and_leave_nothing_in_a_quiet_cluster() -> None:
    play = Play(0)
    try:
        driver = play.drivers[0]
        play.refs[0] += [
            driver.call(program) for program in ("nothing", "put", "large", "child", "fail") for _ in range(10)
        ]
        play.finish()
        assert play.simulation.network.delivered["Done"] >= 50
    finally:
        play.close()
