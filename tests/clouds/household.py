"""One person's data directory and its daemons, whatever they can buy from there."""

from __future__ import annotations

import abc
import pathlib

from tests.broker.nursery import Nursery
from tests.broker.real import RealDaemon
from tradewind.broker.server.client import DaemonClient


class Household(abc.ABC):
    """`directory` holds all of it; `daemon` is the newest of those that were started."""

    def __init__(self, directory: pathlib.Path, nursery: Nursery | None = None) -> None:
        self.directory = directory
        self.data_dir = str(directory / "data")
        self.daemon = RealDaemon(self.data_dir, nursery)

    @abc.abstractmethod
    def environment(self) -> dict[str, str]:
        """The variables of everything that the person starts."""

    @abc.abstractmethod
    def tags(self) -> list[dict[str, str]]:
        """The tags of every instance that is not ended, as those have them who sold it."""

    def start(self, **environment: str) -> DaemonClient:
        """A daemon that answers, with these variables beside the person's own."""
        return self.daemon.start(**{**self.environment(), **environment})

    def spawn(self, **environment: str) -> None:
        """Like `start`, for a daemon that may die before it answers."""
        self.daemon.spawn(**{**self.environment(), **environment})
