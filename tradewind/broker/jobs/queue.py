"""Which waiting managed jobs are admitted now, and what the others wait for. Pure."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence

import msgspec

from tradewind.broker.jobs.limits import Limits
from tradewind.broker.store.waiting import Load, Waiting

_TOLERANCE = 1e-9


class Situation(msgspec.Struct, frozen=True):
    """What is active now: `load` for rehearsals (True) and real money (False), in `arrays` by array, in `shares` by who they are for; `spent` are
    worlds without budget left.
    """

    load: Mapping[bool, Load]
    arrays: Mapping[int, int] = {}
    shares: Mapping[str, int] = {}
    array_limits: Mapping[int, int] = {}
    spent: frozenset[bool] = frozenset()


def admit(waiting: Sequence[Waiting], now: Situation, limits: Limits) -> tuple[int, ...]:
    """The jobs that may start, in the order in which they shall.

    The highest priority goes first. Among equals, whoever has the fewest jobs active comes next (`share`: a person, a team); among theirs, arrays
    and jobs that stand alone take turns: what has least active, then the oldest. A job that does not fit under the hourly cap holds back those behind it, so that small ones cannot starve it; one that never
    could is passed over.
    """
    free = limits.max_active_jobs - sum(load.count for load in now.load.values())
    hourly = {world: load.hourly_usd for world, load in now.load.items()}
    active, shares = Counter[int | None](now.arrays), Counter[str](now.shares)
    held: set[bool] = set(now.spent)
    admitted: list[int] = []
    queues: dict[tuple[int, str, int | None], deque[Waiting]] = defaultdict(deque)
    for one in sorted(waiting, key=lambda job: (-job.priority, job.id)):
        queues[-one.priority, one.share, one.array_id].append(one)
    heap = [_turn(queue[0], active, shares) for queue in queues.values()]
    heapq.heapify(heap)
    cap = limits.max_hourly_cost
    while heap and free > 0:
        turn = heapq.heappop(heap)
        rank, _, _, _, share, array_id = turn
        array = array_id if array_id >= 0 else None
        queue = queues[rank, share, array]
        if (later := _turn(queue[0], active, shares)) > turn:
            heapq.heappush(heap, later)  # another of its share has started meanwhile
            continue
        one = queue.popleft()
        if array is not None and active[array] >= now.array_limits.get(array, active[array] + 1):
            continue  # none of it may, so the rest of it is not looked at
        if one.rehearse not in held:
            if cap is None or _fits(one.hourly_usd, hourly[one.rehearse], cap):
                admitted.append(one.id)
                free -= 1
                hourly[one.rehearse] += one.hourly_usd
                active[array] += array is not None
                shares[share] += 1
            elif _fits(one.hourly_usd, 0.0, cap):
                held.add(one.rehearse)
        if queue:
            heapq.heappush(heap, _turn(queue[0], active, shares))
    return tuple(admitted)


def _turn(one: Waiting, active: Counter[int | None], shares: Counter[str]) -> tuple[int, int, int, int, str, int]:
    """Its place in the order: priority, how much of its share is active, and of its array, age. Jobs that stand alone have no array that could be."""
    array_id = -1 if one.array_id is None else one.array_id
    in_array = 0 if one.array_id is None else active[one.array_id]
    return (-one.priority, shares[one.share], in_array, one.id, one.share, array_id)


def _fits(more_usd_h: float, usd_h: float, cap_usd_h: float) -> bool:
    return usd_h + more_usd_h <= cap_usd_h * (1 + _TOLERANCE)


def waiting_sentence(
    one: Waiting, now: Situation, limits: Limits, *, not_before_unix: float | None = None, unix: float = 0.0
) -> str:
    """What a job that is not admitted waits for, and what would free it."""
    load = now.load[one.rehearse]
    count = sum(each.count for each in now.load.values())
    if not_before_unix is not None and not_before_unix > unix:
        return f"its time: it starts in {not_before_unix - unix:.0f} s at the earliest"
    if one.rehearse in now.spent:
        return f"money: the budget of {limits.budget:g} USD in limits.yaml is spent"
    cap = limits.max_hourly_cost
    if cap is not None and not _fits(one.hourly_usd, 0.0, cap):
        return f"a higher cap: it costs {one.hourly_usd:.4g} USD/h alone, limits.yaml allows {cap:g} in all"
    most = None if one.array_id is None else now.array_limits.get(one.array_id)
    if (
        most is not None
        and one.array_id is not None
        and one.array_id in now.arrays
        and now.arrays[one.array_id] >= most
    ):
        return f"one of the {most} active jobs of its array to end (its own limit)"
    if count >= limits.max_active_jobs:
        return f"one of {count} active managed jobs to end (at most {limits.max_active_jobs} are active at a time)"
    if cap is not None and not _fits(one.hourly_usd, load.hourly_usd, cap):
        return (
            f"active jobs to end: they cost {load.hourly_usd:.4g} USD/h, its own {one.hourly_usd:.4g} would exceed the cap "
            f"of {cap:g} USD/h in limits.yaml"
        )
    return "its turn in the queue"
