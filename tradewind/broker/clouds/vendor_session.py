"""A vendor's blocking library behind one account: its calls in threads, its exceptions as ours, its clients and credentials made once."""

from __future__ import annotations

import abc
import functools
import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from tradewind.broker.clouds.blocking import Blocking
from tradewind.broker.provider import ProviderError

T = TypeVar("T")
SettingsT = TypeVar("SettingsT")
FoundT = TypeVar("FoundT")


def close_client(client: Any) -> None:
    """The client's connections are gone."""
    client.close()


def unguarded() -> None:
    """Let every call be made."""


class VendorCalls:
    """Threads for one vendor's library. `translate` is asked about every exception, None from it leaves the exception as it is.

    `guard` is called right before every call, in its thread: what it raises keeps the call from being made.
    """

    def __init__(
        self,
        name: str,
        translate: Callable[[Exception], ProviderError | None],
        *,
        threads: int = 16,
        close: Callable[[Any], None] = close_client,
    ) -> None:
        self._threads = Blocking(name, threads=threads)
        self._translate, self._close = translate, close
        self.guard: Callable[[], None] = unguarded
        self.making = threading.RLock()  # vendors' clients may be shared by threads; making them may not
        self._clients: dict[Hashable, Any] = {}

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns, made in a thread. Raises ProviderError for what the library raises.

        A caller that is cancelled does not stop the call: it ends on its own, and its token makes it harmless.
        """
        return await self._threads.run(functools.partial(self._translated, call))

    def _translated(self, call: Callable[[], T]) -> T:
        self.guard()
        try:
            return call()
        except Exception as error:
            known = self._translate(error)
            if known is None or known is error:
                raise
            raise known from error

    def client(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The client of that key, made at the first call."""
        with self.making:
            if key not in self._clients:
                self._clients[key] = make()
            return self._clients[key]

    def close(self) -> None:
        """End the threads and the connections."""
        self._threads.close()
        with self.making:
            for client in self._clients.values():
                self._close(client)
            self._clients.clear()


class VendorSession(abc.ABC, Generic[SettingsT, FoundT]):
    """One identity at one vendor, by what a person set and what lies on this machine."""

    def __init__(self, calls: VendorCalls, settings: SettingsT, *, credentials: Any, found: FoundT | None) -> None:
        self.settings = settings
        self._calls, self._credentials, self._found = calls, credentials, found

    @abc.abstractmethod
    def _find(self) -> FoundT:
        """What lies on this machine."""

    @abc.abstractmethod
    def _load(self, found: FoundT) -> Any:
        """The vendor's credentials object. Raises ProviderError where there is none."""

    @functools.cached_property
    def found(self) -> FoundT:
        """What lies on this machine, looked up once."""
        return self._found if self._found is not None else self._find()

    async def call(self, call: Callable[[], T]) -> T:
        """What the vendor's code returns. Raises ProviderError for whatever it raises."""
        return await self._calls.run(call)

    def guard(self, check: Callable[[], None]) -> None:
        """From now on `check` is called before every call, and what it raises keeps the call from being made."""
        self._calls.guard = check

    def credentials(self) -> Any:
        """The vendor's credentials object, found once. Raises ProviderError where there is none."""
        with self._calls.making:
            if self._credentials is None:
                self._credentials = self._load(self.found)
            return self._credentials

    def close(self) -> None:
        """End the threads and the connections."""
        self._calls.close()
