"""What a person types where a cluster that they named is not up."""

from __future__ import annotations

LOST = frozenset({"FAILED", "PREEMPTED"})  # nothing of it runs any more, and a launch makes it anew


def way_back(name: str, state: str) -> str:
    """The command, in a clause, by which the cluster comes up."""
    if state == "STOPPED":
        return f"`tradewind start {name}` brings it back"
    if state == "TERMINATED" or state in LOST:
        return f"`tradewind launch -c {name}` makes it anew"
    return f"wait for it, or end it with `tradewind down {name}`"
