"""A team's year of managed jobs under a fake clock: the real machine, queue and budgets, and a world that takes machines away.

Nothing here sleeps, and nothing of the record or the network takes part: what is decided is decided by the same functions as in the daemon.
"""

from __future__ import annotations

import heapq
import itertools
import random
from fractions import Fraction

import msgspec

from tradewind.broker.jobs.limits import Limits
from tradewind.broker.jobs.money import judge
from tradewind.broker.jobs.queue import Situation, admit
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import Event, Instruction
from tradewind.broker.store.waiting import Load, Waiting
from tradewind.spec.task import JobRecovery

DAY = 86400.0
CHECKPOINT_S = 300.0
PRICE = Fraction(1, 2)  # USD/hour
C = "simulation"


class Life(msgspec.Struct):
    """A job in the simulated world. `need_s` seconds of work end it, `kept_s` of them are in its last checkpoint."""

    waiting: Waiting
    machine: mm.ManagedJob
    need_s: float
    dies_in_setup: bool
    budget_usd: float | None
    kept_s: float = 0.0
    up: bool = False
    since: float | None = None  # when its machines began to cost
    ran_from: float | None = None
    worked_s: float = 0.0
    spent: Fraction = Fraction(0)
    losses: int = 0
    generation: int = 0  # of its machines: what was planned for earlier ones is void
    ends: int = 0


class Year:
    """The world. `run` goes through it and checks, after every event, what must always hold."""

    def __init__(self, seed: int, jobs: int, days: float, limits: Limits) -> None:
        self.draw = random.Random(seed)
        self.limits = limits
        self.now = 0.0
        self.lives: dict[int, Life] = {}
        self.events = 0
        self.most_active = 0
        self._tie = itertools.count()
        self._heap: list[tuple[float, int, int, int, Event | None]] = []
        self._active: set[int] = set()
        self._pending: set[int] = set()
        for id_ in range(1, jobs + 1):
            self._at(self.draw.uniform(0, days * DAY), id_, None)

    def _at(self, when: float, id_: int, event: Event | None, generation: int = -1) -> None:
        heapq.heappush(self._heap, (when, next(self._tie), id_, generation, event))

    def run(self) -> None:
        """To the end of everything."""
        while self._heap:
            self.now, _, id_, generation, event = heapq.heappop(self._heap)
            self.events += 1
            if event is None:
                self._submit(id_)
            elif generation in {-1, self.lives[id_].generation}:
                self._tell(id_, event)
            self._check(id_)

    def _submit(self, id_: int) -> None:
        draw = self.draw
        recovery = JobRecovery(max_restarts_on_errors=draw.choice([0, 0, 3]), recover_on_exit_codes=(33,))
        self.lives[id_] = Life(
            waiting=Waiting(
                id_, draw.choice([0, 0, 0, 5, -5]), draw.choice([None, None, 1, 2]), float(PRICE), rehearse=False
            ),
            machine=mm.ManagedJob(recovery=recovery),
            need_s=draw.expovariate(1 / 7200) + 60,
            dies_in_setup=draw.random() < 0.01,
            budget_usd=draw.choice([None, None, None, 2.0]),
        )
        self._pending.add(id_)
        self._admit()
        if draw.random() < 0.05:
            self._at(self.now + draw.expovariate(1 / 3600), id_, mm.CancelRequested(cause=C))
        if draw.random() < 0.05:
            self._at(self.now + draw.expovariate(1 / 3600), id_, mm.PauseRequested(cause=C))

    def _admit(self) -> None:
        arrays = {1: 0, 2: 0}
        for id_ in self._active:
            if (array := self.lives[id_].waiting.array_id) is not None:
                arrays[array] += 1
        now = Situation(
            {False: Load(len(self._active), len(self._active) * float(PRICE)), True: Load()}, arrays, {2: 3}
        )
        for id_ in admit([self.lives[one].waiting for one in self._pending], now, self.limits):
            self._tell(id_, mm.Scheduled(cause=C))

    def _tell(self, id_: int, event: Event) -> None:
        life = self.lives[id_]
        if (life.machine.state, type(event)) not in mm.TABLE:
            return  # refused, as the daemon refuses it: a pause of what has ended
        before = life.machine
        if isinstance(event, mm.AttemptEnded | mm.AttemptLost):
            self._settle(life)
        life.machine, orders = mm.on_event(before, event)
        mm.validate(life.machine)
        state = life.machine.state
        (self._pending.add if state == "PENDING" else self._pending.discard)(id_)
        (self._active.add if state in mm.ACTIVE else self._active.discard)(id_)
        if state in mm.FINAL and before.state not in mm.FINAL:
            life.ends += 1
        if state == "PAUSED" and before.state != "PAUSED":
            self._at(self.now + 3600, id_, mm.ResumeRequested(cause=C))
        for order in orders:
            self._follow(id_, life, order)
        if state in {*mm.FINAL, "PAUSED"}:
            self._admit()

    def _follow(self, id_: int, life: Life, order: Instruction) -> None:
        match order:
            case mm.LaunchCluster() | mm.Replace():
                self._release(life)
                delay = getattr(order, "delay_s", 0.0) + 90.0
                full = self.draw.random() < 0.1
                event = mm.NoPlace(cause=C, why="full") if full else mm.ClusterUp(cause=C)
                life.since = None if full else self.now + delay - 60.0
                self._at(self.now + delay, id_, event, life.generation)
            case mm.Restart():
                due = mm.RestartDue(cause=C, attempt=order.attempt)
                self._at(self.now + order.delay_s * self.draw.uniform(0.5, 1), id_, due, life.generation)
            case mm.StartAttempt():
                self._attempt(id_, life)
            case mm.EndCluster():
                self._release(life)
                self._at(self.now + 30.0, id_, mm.ClusterGone(cause=C))
            case mm.Admit():
                self._admit()
            case _:
                raise AssertionError(f"unknown order {order}")

    def _attempt(self, id_: int, life: Life) -> None:
        left = life.need_s - life.kept_s
        lost, failed = self.draw.expovariate(1 / 5400), self.draw.expovariate(1 / 200_000)
        budget = float("inf")
        if life.budget_usd is not None:
            spent = life.spent + PRICE * Fraction(self.now - (life.since or self.now)) / 3600
            budget = max(0.0, float((Fraction(life.budget_usd) - spent) / PRICE) * 3600 - 5.0)
        if life.dies_in_setup:
            died = mm.AttemptEnded(cause=C, result="FAILED_SETUP", why="no such package", exit_code=1)
            self._at(self.now + 20, id_, died, life.generation)
            return
        life.ran_from = self.now
        self._at(self.now, id_, mm.RunStarted(cause=C), life.generation)
        first = min(left, lost, failed, budget)
        when = self.now + first
        if first == budget:
            assert (
                judge(Fraction(life.budget_usd or 0) - PRICE * 5 / 3600, PRICE, life.budget_usd or 0, lead_s=5.0)
                == "end"
            )
            event: Event = mm.CancelRequested(cause=C, why="its budget is spent")
        elif first == left:
            event = mm.AttemptEnded(cause=C, result="SUCCEEDED", why="", ran_s=first)
        elif first == lost:
            event = mm.AttemptLost(cause=C, kind="instance", why="taken")
        else:
            code = self.draw.choice([1, 33])
            event = mm.AttemptEnded(cause=C, result="FAILED", why="it broke", exit_code=code, ran_s=first)
        self._at(when, id_, event, life.generation)

    def _settle(self, life: Life) -> None:
        """Count what the program has done until now, and what of it is in a checkpoint."""
        if life.ran_from is None:
            return
        did, life.ran_from = self.now - life.ran_from, None
        done = life.kept_s + did
        life.worked_s += did
        whole = done >= life.need_s - 1e-3
        life.kept_s = min(done, life.need_s) if whole else done - done % CHECKPOINT_S
        life.losses += not whole

    def _release(self, life: Life) -> None:
        self._settle(life)
        if life.since is not None:
            life.spent += PRICE * Fraction(max(0.0, self.now - life.since)) / 3600
            life.since = None
        life.generation += 1

    def _check(self, id_: int) -> None:
        active = len(self._active)
        self.most_active = max(self.most_active, active)
        assert active <= self.limits.max_active_jobs
        assert self.limits.max_hourly_cost is None or active * PRICE <= Fraction(self.limits.max_hourly_cost)
        life = self.lives[id_]
        assert life.ends <= 1, "nothing ends twice"
        assert life.kept_s <= life.need_s + 1e-6
