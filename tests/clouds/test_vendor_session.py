"""Calls in threads, exceptions as ours, clients and credentials made once however many threads ask at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tradewind.broker.clouds.error_table import ErrorTable
from tradewind.broker.clouds.meaning import Explanation
from tradewind.broker.clouds.vendor_session import LOOK_AGAIN_S, VendorCalls, VendorSession
from tradewind.broker.provider import ProviderError

TABLE = ErrorTable(
    "sky",
    {
        "Code": Explanation("capacity", "type", 60, "a page"),
        "LogIn": Explanation("permission", "cloud", 60, "a page"),
        "MayNot": Explanation("permission", "cloud", 60, "a page"),
    },
    login=("LogIn",),
)


class Vendors(Exception):
    """What the library raises: a message, and perhaps the code."""


def translate(error: Exception) -> ProviderError | None:
    if isinstance(error, ProviderError):
        return error
    if not isinstance(error, Vendors):
        return None
    message, *code = error.args
    return ProviderError("sky", code[0] if code else "Code", message)


class Client:
    closed = False

    def close(self) -> None:
        self.closed = True


class Session(VendorSession[str, str]):
    found_times = loaded_times = 0

    def _find(self) -> str:
        self.found_times += 1
        return "here"

    def _load(self, found: str) -> Any:
        self.loaded_times += 1
        return f"credentials from {found}"


@pytest.fixture
def now() -> list[float]:
    """The time, in seconds, which a test may move."""
    return [0.0]


@pytest.fixture
def calls(now: list[float]) -> Iterator[VendorCalls]:
    made = VendorCalls("sky", translate, threads=4, table=TABLE, clock=lambda: now[0])
    yield made
    made.close()


def raising(error: Exception) -> Any:
    def call() -> None:
        raise error

    return call


def test_what_the_library_raises_is_ours_and_names_its_cause(calls: VendorCalls) -> None:
    with pytest.raises(ProviderError, match="no room") as caught:
        asyncio.run(calls.run(raising(Vendors("no room"))))
    assert isinstance(caught.value.__cause__, Vendors)


def test_ours_passes_and_a_mistake_of_our_own_stays_one(calls: VendorCalls) -> None:
    ours = ProviderError("sky", "X", "y")
    with pytest.raises(ProviderError) as caught:
        asyncio.run(calls.run(raising(ours)))
    assert caught.value is ours
    assert caught.value.__cause__ is None
    with pytest.raises(KeyError):
        asyncio.run(calls.run(raising(KeyError("x"))))


def test_one_client_a_key_for_all_threads(calls: VendorCalls) -> None:
    made: list[Client] = []
    together = threading.Barrier(4)

    def ask() -> Client:
        together.wait(10)
        return calls.client("compute", lambda: made.append(Client()) or made[-1])  # type: ignore[func-returns-value]

    async def scenario() -> list[Client]:
        return await asyncio.gather(*(calls.run(ask) for _ in range(4)))

    assert len({id(one) for one in asyncio.run(scenario())}) == len(made) == 1
    assert calls.client("network", Client) is not made[0]
    calls.close()
    assert made[0].closed


def test_credentials_are_looked_for_once(calls: VendorCalls) -> None:
    session = Session(calls, "settings", credentials=None, found=None)
    assert [session.credentials() for _ in range(2)] == ["credentials from here"] * 2
    assert (session.found_times, session.loaded_times) == (1, 1)


def test_credentials_that_were_given_are_not_looked_for(calls: VendorCalls) -> None:
    session = Session(calls, "settings", credentials="mine", found="there")
    assert (session.credentials(), session.found) == ("mine", "there")
    assert (session.found_times, session.loaded_times) == (0, 0)


def test_a_login_that_was_refused_is_looked_for_anew(calls: VendorCalls, now: list[float]) -> None:
    """So a daemon goes on once a person has logged in again; other refusals, and many at once, look for nothing."""
    session = Session(calls, "settings", credentials=None, found=None)
    session.credentials()
    first = calls.client("compute", Client)

    async def refused(code: str) -> None:
        with pytest.raises(ProviderError):
            await session.call(raising(Vendors("no", code)))

    asyncio.run(refused("Code"))
    asyncio.run(refused("MayNot"))
    now[0] += LOOK_AGAIN_S
    asyncio.run(refused("LogIn"))
    asyncio.run(refused("LogIn"))
    assert (calls.client("compute", Client), session.loaded_times) == (first, 1)
    now[0] += LOOK_AGAIN_S
    made = asyncio.run(session.call(lambda: calls.client("compute", Client)))
    session.credentials()
    assert made is not first
    assert not first.closed, "others may be calling through it"
    assert (session.found_times, session.loaded_times) == (2, 2)
    now[0] += LOOK_AGAIN_S
    assert asyncio.run(session.call(lambda: calls.client("compute", Client))) is made


def test_what_the_vendor_turned_away_was_not_heard(calls: VendorCalls) -> None:
    heard = []
    for error in (
        Vendors("no", "LogIn"),
        Vendors("no", "MayNot"),
        Vendors("full", "Code"),
        Vendors("?", "Unknown"),
        KeyError("x"),
    ):
        with pytest.raises((ProviderError, KeyError)):
            asyncio.run(calls.run(raising(error)))
        heard.append(calls.heard)
    asyncio.run(calls.run(Client))
    assert [*heard, calls.heard] == [0, 0, 1, 2, 3, 4]
