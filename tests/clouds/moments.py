"""Moments of a launch at which a test acts: a call that reaches a cloud."""

from __future__ import annotations

import threading
from collections.abc import Callable

from clouds.estate import Estate
from clouds.fakes.aws.world import AwsWorld


def at_the_first(estate: Estate, cloud: str, call: str, act: Callable[[], object]) -> threading.Event:
    """Whether `act` has been called: once, when that call reaches the cloud."""
    happened = threading.Event()

    def see(name: str) -> None:
        if name == call and not happened.is_set():
            act()
            happened.set()

    world = getattr(estate, cloud)
    if isinstance(world, AwsWorld):
        world.account.weather = see
    else:
        world.cloud.journal.on_call = see
    return happened
