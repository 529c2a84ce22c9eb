"""When to hold a spot machine, when one on demand, and when to wait: a policy that never misses a deadline that on-demand capacity can meet.

The line of Wu, Chiang, Mao, Yang, Friedman, Shenker, Stoica, "Can't Be Late: optimizing spot instance savings under deadlines", NSDI 2024.
Their rules: a spot machine is used until it is lost; when what is left of the time is only just enough, a machine on demand is bought and kept
to the end (the safety net); between these, *uniform progress* buys on demand whenever the work is behind the straight line from launch to
deadline, and gives it back once the work is ahead by what two changes of machine cost.

Ours keeps the net and differs in three things. It buys on demand only when less than `HELD_BACK` of the straight line's slack is left, so more
is spent on waiting. Once on demand it never goes back to waiting, which saves nothing that spot would not save as well. And it changes to spot as soon as the slack
is a change above the net and `RETURN` of that line, so that spells of spot late in the job, which greedy use cannot take, are taken.

What is certain: with C hours of work left, R hours to the deadline, a change of machine taking d hours and a loss undoing at most r hours of
work, every policy here buys on demand at the latest when R - C < 2 d + r + one `step_h` between decisions; from then on it stays, and ends in time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

On = Literal["nothing", "spot", "on demand"]

# Chosen on one half of the starts in the recorded traces, reported on the other (`benchmarks/spot.py`, with --choose for the first).
HELD_BACK = 0.75
RETURN = 0.5


class Mix(msgspec.Struct, frozen=True):
    """The job as it was launched, in hours: its work, its deadline, `changeover_h` from buying a machine until the work goes on,
    `rework_h` the most work that a loss undoes (the checkpoint interval), `step_h` the longest time between two decisions.
    """

    work_h: float
    deadline_h: float
    changeover_h: float = 0.1
    rework_h: float = 0.0
    step_h: float = 0.0

    @property
    def net_h(self) -> float:
        """The least slack with which something other than on demand may still be tried: trying it and coming back takes this."""
        return 2 * self.changeover_h + self.rework_h + self.step_h


class Standing(msgspec.Struct, frozen=True):
    """Where the job stands: hours since launch, hours of work done that a loss would not undo, what it holds, and the zones that have spot now."""

    elapsed_h: float
    done_h: float
    on: On
    zone: str = ""
    spot: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """What to hold next; `zone` is where the spot machine is, "" otherwise."""

    on: On
    zone: str = ""


Policy = Callable[[Mix, Standing], Step]
WAIT, ON_DEMAND = Step("nothing"), Step("on demand")


def slack_h(mix: Mix, standing: Standing) -> float:
    """Hours that may be lost yet: the time to the deadline less the work that is left."""
    return (mix.deadline_h - standing.elapsed_h) - (mix.work_h - standing.done_h)


def on_demand_only(_mix: Mix, _standing: Standing) -> Step:
    """On demand from start to end."""
    return ON_DEMAND


def greedy_in(zone: str) -> Policy:
    """Spot in this zone, and waiting while it has none: no net."""

    def policy(_mix: Mix, standing: Standing) -> Step:
        return Step("spot", zone) if zone in standing.spot else WAIT

    return policy


def eager_failover(_mix: Mix, standing: Standing) -> Step:
    """Spot wherever there is some, and waiting where there is none: no net."""
    return _spot(standing) or WAIT


def greedy_with_net(mix: Mix, standing: Standing) -> Step:
    """Eager failover until the safety net, then on demand to the end."""
    return _between(mix, standing, held_back=0.0)


def uniform_progress(mix: Mix, standing: Standing) -> Step:
    """The paper's policy, with any of the zones that have spot."""
    return _between(mix, standing, held_back=1.0)


def ours(mix: Mix, standing: Standing) -> Step:
    """Waits longer than uniform progress, never waits after on demand, and comes back to spot sooner."""
    return holding_back(HELD_BACK)(mix, standing)


def holding_back(share: float) -> Policy:
    """Our policy with this share of the straight line's slack held back."""

    def policy(mix: Mix, standing: Standing) -> Step:
        netted, spot = _netted(mix, standing), _spot(standing)
        if netted is not None:
            return netted
        slack, line = slack_h(mix, standing), share * _line_h(mix, standing)
        if standing.on == "on demand":
            soon = mix.net_h + mix.changeover_h + RETURN * line
            return spot if spot is not None and slack > min(soon, mix.deadline_h - mix.work_h) else ON_DEMAND
        return spot or (WAIT if slack > line else ON_DEMAND)

    return policy


def _spot(standing: Standing) -> Step | None:
    """The spot machine in hand while its zone has spot, else the first zone that has."""
    if standing.on == "spot" and standing.zone in standing.spot:
        return Step("spot", standing.zone)
    return Step("spot", min(standing.spot)) if standing.spot else None


def _line_h(mix: Mix, standing: Standing) -> float:
    """The slack of a job that is on the straight line from launch to deadline."""
    return (mix.deadline_h - mix.work_h) * max(mix.deadline_h - standing.elapsed_h, 0.0) / mix.deadline_h


def _netted(mix: Mix, standing: Standing) -> Step | None:
    """What the safety net leaves to do; None while there is a choice."""
    slack, spot = slack_h(mix, standing), _spot(standing)
    if slack > mix.net_h + (mix.changeover_h if standing.on == "on demand" else 0.0):
        return None
    # A machine on demand in hand stays; spot in hand goes on only while a loss could still be made good.
    stays = standing.on == "spot" and spot is not None and spot.zone == standing.zone
    return spot if stays and slack > mix.net_h - mix.changeover_h else ON_DEMAND


def _between(mix: Mix, standing: Standing, *, held_back: float) -> Step:
    """The paper's rules above the net: on demand below the line, and until the work is two changes of machine ahead of it."""
    netted, spot = _netted(mix, standing), _spot(standing)
    if netted is not None:
        return netted
    slack, line = slack_h(mix, standing), held_back * _line_h(mix, standing)
    if standing.on == "on demand":
        ahead = slack >= min(line + 2 * mix.changeover_h, mix.deadline_h - mix.work_h)
        return (spot or WAIT) if ahead else ON_DEMAND
    return spot or (WAIT if slack > line else ON_DEMAND)
