"""What a transition leaves for the shell (`Order`), and what a subject in each state waits for."""

from __future__ import annotations

from typing import Any

import msgspec

from tradewind.broker.lifecycle.machine import Event, Instruction


class Order(msgspec.Struct, frozen=True):
    """An instruction for the shell about one cluster (`job_id` None), one of its jobs, or a managed job (`cluster_id` None)."""

    instruction: Instruction
    cluster_id: int | None = None
    job_id: int | None = None
    managed_job_id: int | None = None


WAITING = {
    "PLANNED": "its turn to be launched",
    "PROVISIONING": "the cloud to give its instances",
    "BOOTSTRAPPING": "agents, files and runtime to stand on every node",
    "STOPPED": "its instances to stop",
    "TERMINATING": "its instances to end",
    "PENDING": "the queue to admit it",
    "STARTING": "its cluster to come up",
    "RECOVERING": "a new place for its cluster",
    "CANCELLING": "its processes and instances to end",
    "PAUSING": "its processes and instances to end",
    "PAUSED": "`tradewind jobs resume`",
}


def event_data(event: Event, before: str, after: str) -> dict[str, Any]:
    """The event's own fields as its row keeps them, with the change of state."""
    built: dict[str, Any] = msgspec.to_builtins(event)
    built.pop("type", None)
    built.pop("cause", None)
    if before != after:
        built |= {"from": before, "to": after}
    return built
