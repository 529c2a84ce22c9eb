"""What the providers have in common all of whose calls go through one `VendorSession`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from tradewind.broker.clouds.connect import Connect
from tradewind.broker.clouds.vendor_session import VendorSession
from tradewind.broker.provider import ProviderError

SessionT = TypeVar("SessionT", bound=VendorSession[Any, Any])


class VendorProvider(Generic[SessionT]):
    """One account. `connect` (an SshConnector) opens connections to instances; without it a connection is refused."""

    name: str

    def __init__(self, session: SessionT, connect: Connect | None) -> None:
        self._session, self._connector = session, connect

    @property
    def _connect(self) -> Connect:
        if self._connector is None:
            raise ProviderError(self.name, "NO_CONNECTION", "this process was given no way to connect to instances")
        return self._connector

    def guard(self, check: Callable[[], None]) -> None:
        """From now on `check` is called before every call to the cloud, and what it raises keeps the call from being made."""
        self._session.guard(check)

    def close(self) -> None:
        """End the threads and connections of this provider; instances stay."""
        self._session.close()

    @property
    def heard(self) -> int:
        """How many calls were not turned away."""
        return self._session.heard
