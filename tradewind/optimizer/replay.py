"""A job's life under a policy over recorded availability: what it cost, when it ended, how often it was taken. Pure; time in even steps."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tradewind.optimizer.mixing import WAIT, Mix, Policy, Standing, Step

# A job that no net catches is given up after so many times its deadline.
GIVEN_UP = 3.0


class Lived(msgspec.Struct, frozen=True):
    """`cost` is in hours on demand (a spot hour counts `spot_price`); `ended_h` from launch, None when it never did; `late` against the deadline."""

    cost: float
    ended_h: float | None
    late: bool
    preemptions: int
    spot_h: float
    on_demand_h: float


def replay(mix: Mix, policy: Policy, available: Sequence[tuple[str, ...]], *, spot_price: float) -> Lived:
    """The job's course. `available[k]` are the zones that have spot throughout step k of `mix.step_h` hours; beyond the record nothing is.

    A machine works after `changeover_h`; when its zone is missing from a step it is lost at that step's start, and the work since the last
    checkpoint, at most `rework_h`, with it. On demand is always to be had. What is held is paid for, changeover included.
    """
    step_h, holding, ready_h = mix.step_h, WAIT, 0.0
    done = safe = since = spot_h = on_demand_h = 0.0
    preemptions = step = 0
    latest = int(GIVEN_UP * mix.deadline_h / step_h)
    while step < latest:
        zones = available[step] if step < len(available) else ()
        if holding.on == "spot" and holding.zone not in zones:
            preemptions += 1
            done, since, holding = safe, 0.0, WAIT
        # Giving a machine up by choice saves first; what counts as done is then all of it.
        kept = safe if holding.on == "spot" else done
        chosen = policy(mix, Standing(step * step_h, kept, holding.on, holding.zone, zones))
        if chosen != holding:
            ready_h, holding, safe, since = mix.changeover_h, chosen, done, 0.0
        working = 0.0
        if holding.on != "nothing":
            working = max(step_h - ready_h, 0.0)
            ready_h = max(ready_h - step_h, 0.0)
        left = mix.work_h - done
        if working >= left - 1e-9:
            paid = step_h - working + max(left, 0.0)
            spot_h, on_demand_h = _paid(holding, paid, spot_h, on_demand_h)
            ended = step * step_h + paid
            return _lived(spot_h, on_demand_h, spot_price, ended, mix, preemptions)
        done += working
        since += working
        if since >= mix.rework_h:
            safe, since = done, 0.0
        spot_h, on_demand_h = _paid(holding, step_h, spot_h, on_demand_h)
        step += 1
    return _lived(spot_h, on_demand_h, spot_price, None, mix, preemptions)


def _paid(holding: Step, hours: float, spot_h: float, on_demand_h: float) -> tuple[float, float]:
    return spot_h + (hours if holding.on == "spot" else 0.0), on_demand_h + (
        hours if holding.on == "on demand" else 0.0
    )


def _lived(spot_h: float, on_demand_h: float, price: float, ended: float | None, mix: Mix, preemptions: int) -> Lived:
    late = ended is None or ended > mix.deadline_h + 1e-6
    return Lived(spot_h * price + on_demand_h, ended, late, preemptions, spot_h, on_demand_h)
