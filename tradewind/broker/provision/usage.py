"""What running jobs use of their machines, as their agents last told it, and which let their accelerators idle. In memory only."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tradewind.agent.protocol import Usage

FRESH_S = 30.0  # an older sample says nothing about now
IDLE_SHARE = 0.05  # below it an accelerator is taken to do nothing: a display or a monitor may tick
IDLE_AFTER_S = 900.0  # loading data and compiling take minutes; a quarter of an hour of nothing is worth a word


class _Told(msgspec.Struct):
    unix: float
    usage: Usage
    idle_since_unix: float | None = None
    is_warned: bool = False


class UsageBoard:
    """The newest samples of every instance, by job key (CLUSTER-JOB)."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, _Told]] = {}

    def take(self, instance_id: str, usage: Mapping[str, Usage], now: float) -> list[str]:
        """Keep what an instance's agent told at the Unix second `now`, in place of what it told before.

        Returns:
            The keys of jobs all of whose accelerators there have idled for IDLE_AFTER_S seconds; each once for each idle time.
        """
        before = self._told.get(instance_id, {})
        told = {key: _Told(now, sample) for key, sample in usage.items()}
        newly_idle = [key for key, one in told.items() if _is_newly_idle(before.get(key), one)]
        if told:
            self._told[instance_id] = told
        else:
            self.forget(instance_id)
        return newly_idle

    def forget(self, instance_id: str) -> None:
        """The instance tells no more."""
        self._told.pop(instance_id, None)

    def by_job(self, now: float) -> dict[str, Usage]:
        """By job key the sum over the nodes that have told lately, with every accelerator's share, nodes in the order of their ids."""
        sums: dict[str, Usage] = {}
        for _, jobs in sorted(self._told.items()):
            for key, one in jobs.items():
                if now - one.unix <= FRESH_S:
                    sums[key] = _sum(sums[key], one.usage) if key in sums else one.usage
        return sums


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        cpus=one.cpus + other.cpus,
        memory_gib=one.memory_gib + other.memory_gib,
        processes=one.processes + other.processes,
        accelerators=one.accelerators + other.accelerators,
    )


def _is_newly_idle(before: _Told | None, told: _Told) -> bool:
    """Whether its accelerators have now idled for long enough to say so; carries on since when they do."""
    shares = told.usage.accelerators
    if not shares or max(shares) >= IDLE_SHARE:
        return False
    told.idle_since_unix = told.unix
    if before is not None and before.idle_since_unix is not None:
        told.idle_since_unix, told.is_warned = before.idle_since_unix, before.is_warned
    if told.is_warned or told.unix - told.idle_since_unix < IDLE_AFTER_S:
        return False
    told.is_warned = True
    return True
