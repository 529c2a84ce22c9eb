"""Instances that were just launched, which a cloud's lists may not show yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from tradewind.broker.clouds.tags import carries

# How long an instance that was just made is asked for by name although no list shows it yet.
LIST_LAG_S = 120.0


class JustLaunched:
    """What was launched from here within LIST_LAG_S seconds, by provider id."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._tags: dict[str, tuple[Mapping[str, str], float]] = {}

    def add(self, provider_id: str, tags: Mapping[str, str]) -> None:
        """It is looked for from now on."""
        self._tags[provider_id] = dict(tags), self._now() + LIST_LAG_S

    def forget(self, provider_id: str) -> None:
        """It was ended: no list needs to show it."""
        self._tags.pop(provider_id, None)

    def missing(self, listed: Collection[str], tags: Mapping[str, str]) -> list[str]:
        """The provider ids of those that carry all of `tags` and are not in `listed`."""
        self._tags = {name: entry for name, entry in self._tags.items() if entry[1] > self._now()}
        return [name for name, (carried, _) in self._tags.items() if name not in listed and carries(carried, tags)]
