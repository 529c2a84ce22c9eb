"""A vendor's blocking library behind one account: its calls in threads, its exceptions as ours, its clients and credentials made once."""

from __future__ import annotations

import abc
import functools
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from tradewind.broker.clouds.blocking import Blocking
from tradewind.broker.clouds.error_table import ErrorTable
from tradewind.broker.provider import ProviderError

T = TypeVar("T")
SettingsT = TypeVar("SettingsT")
FoundT = TypeVar("FoundT")


LOOK_AGAIN_S = 1.0  # a login that is refused is looked for anew, but not for each of the calls that it is refused for


def close_client(client: Any) -> None:
    """The client's connections are gone."""
    client.close()


def translated(call: Callable[[], T], translate: Callable[[Exception], ProviderError | None]) -> T:
    """What the library's call returns. Raises ProviderError for what it raises and `translate` knows, with that as its cause."""
    try:
        return call()
    except Exception as error:
        known = translate(error)
        if known is None or known is error:
            raise
        raise known from error


def unguarded() -> None:
    """Let every call be made."""


def nothing_more() -> None:
    """Forget nothing beside the clients."""


class VendorCalls:
    """Threads for one vendor's library. `translate` is asked about every exception, None from it leaves the exception as it is.

    `guard` is called right before every call, in its thread: what it raises keeps the call from being made. Once the vendor has refused the
    login, the next call makes its client anew, and `forget` is called before: a person may have logged in again since. `table` knows such errors.
    `heard` counts the calls that the vendor did anything with but turn away who made them.
    """

    def __init__(
        self,
        name: str,
        translate: Callable[[Exception], ProviderError | None],
        *,
        threads: int = 16,
        close: Callable[[Any], None] = close_client,
        table: ErrorTable,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = Blocking(name, threads=threads)
        self._table, self._clock = table, clock
        self.heard = 0
        self._refused_at: float | None = None
        self.forget: Callable[[], None] = nothing_more
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
        self._look_again()
        try:
            found = translated(call, self._translate)
        except ProviderError as error:
            self._hear(error)
            raise
        except Exception:  # none of the vendor's: heard like any answer
            self._hear(None)
            raise
        self._hear(None)
        return found

    def _hear(self, refused: ProviderError | None) -> None:
        """A call has ended, or with this refusal."""
        with self.making:
            if refused is None or not self._table.turns_away(refused):
                self.heard += 1
            elif self._table.is_login(refused):
                self._refused_at = self._clock()

    def _look_again(self) -> None:
        with self.making:
            if self._refused_at is None or self._clock() - self._refused_at < LOOK_AGAIN_S:
                return
            self._refused_at = None
            self._clients.clear()  # not closed: other threads may be calling through them
            self.forget()

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
        if credentials is None:
            calls.forget = self._forget

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

    @property
    def heard(self) -> int:
        """How many calls the vendor has not turned away."""
        return self._calls.heard

    def guard(self, check: Callable[[], None]) -> None:
        """From now on `check` is called before every call, and what it raises keeps the call from being made."""
        self._calls.guard = check

    def credentials(self) -> Any:
        """The vendor's credentials object, found once, and anew after they were refused. Raises ProviderError where there is none."""
        with self._calls.making:
            if self._credentials is None:
                self._credentials = self._load(self._found if self._found is not None else self._find())
            return self._credentials

    def _forget(self) -> None:
        """The credentials, but not the account that was chosen: what was made there is looked for there."""
        self._credentials = None

    def close(self) -> None:
        """End the threads and the connections."""
        self._calls.close()
