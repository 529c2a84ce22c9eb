"""What the worlds have in common whose fakes answer on a socket and keep a journal of the calls."""

from __future__ import annotations

import abc
from collections.abc import Collection
from typing import Any

from clouds.fakes.journal import Fault


class WireWorld(abc.ABC):
    """`cloud` is the fake; `settings` go into every session; no call is made that is not in `permitted`."""

    cloud: Any
    permitted: Collection[str]

    def __init__(self, **settings: Any) -> None:
        self.cloud = self.fake()
        self._settings = settings
        self._providers: list[Any] = []

    @abc.abstractmethod
    def fake(self) -> Any:
        """The cloud."""

    @abc.abstractmethod
    def session(self, **changes: Any) -> Any:
        """A session with the fake."""

    @abc.abstractmethod
    def make(self, session: Any) -> Any:
        """The provider under test."""

    def provider(self, **changes: Any) -> Any:
        made = self.make(self.session(**changes))
        self._providers.append(made)
        return made

    def close(self) -> None:
        for provider in self._providers:
            provider.close()
        self.cloud.close()
        assert self.cloud.violations == []
        unlisted = set(self.cloud.journal.names()) - set(self.permitted)
        assert not unlisted, f"calls are made that the table of permissions does not hold: {sorted(unlisted)}"

    def strike(self, fault: Fault) -> None:
        """The fault meets the calls that follow."""
        self.cloud.journal.faults.append(fault)

    def calls(self) -> list[str]:
        return list(self.cloud.journal.names())

    def forbid(self) -> None:
        self.cloud.signed_out = True

    def slow(self, seconds: float) -> None:
        self.cloud.delay_s = seconds

    def crash(self, after: int, *, took_effect: bool) -> None:
        self.cloud.journal.crash_after, self.cloud.journal.crash_took_effect = after, took_effect

    def revive(self) -> bool:
        return bool(self.cloud.journal.revive())
