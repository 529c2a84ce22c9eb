"""How a code, its text and its prefix find their row, and what a code without one covers."""

from __future__ import annotations

import asyncio
import time

import pytest

from tradewind.broker.clouds.error_table import ErrorTable, Finer
from tradewind.broker.clouds.meaning import Explanation
from tradewind.broker.provider import ProviderError

ROWS = {
    "Full": Explanation("capacity", "type", 60, "a page"),
    "Late": Explanation("transient", "region", 5, "a page", "try again"),
}
TABLE = ErrorTable(
    "sky",
    ROWS,
    finer=(Finer("Full|Over", "quota", "quota", "family", 30), Finer("Full", "quota|price", "price", "type", 10)),
    unknown_scope="region",
    unknown_s=7,
    prefixes=("Server.", "Client."),
    gone=("Nowhere",),
)


@pytest.mark.parametrize(
    ("code", "message", "kind", "scope", "seconds"),
    [
        ("Full", "nothing left", "capacity", "type", 60),
        ("Server.Full", "nothing left", "capacity", "type", 60),
        ("Full", "over the quota", "quota", "family", 30),
        ("Full", "over the price", "price", "type", 10),
        ("Over", "over the quota", "quota", "family", 30),
        ("Over", "over the moon", "fatal", "region", 7),
        ("Server.New", "what?", "fatal", "region", 7),
        ("Other.Full", "nothing left", "fatal", "region", 7),
    ],
)
def test_the_text_decides_before_the_code(code, message, kind, scope, seconds) -> None:
    blocked = TABLE.classify(TABLE.refusal(code, message), 1000.0)
    assert (blocked.kind, blocked.scope, blocked.until_unix) == (kind, scope, 1000.0 + seconds)


def test_what_a_person_reads() -> None:
    assert TABLE.classify(TABLE.refusal("Late", "no\nanswer")).why == "sky refused: no answer (Late); try again"
    assert TABLE.classify(TABLE.refusal("New", "x")).why == "sky refused: x (New); tradewind does not know the code New"


def test_without_a_time_it_is_now() -> None:
    assert TABLE.classify(TABLE.refusal("Full", "x")).until_unix == pytest.approx(time.time() + 60, abs=10)


def test_only_a_transient_failure_may_have_taken_effect() -> None:
    assert [TABLE.is_transient(TABLE.refusal(code, "x")) for code in ("Late", "Full", "New")] == [True, False, False]


def test_what_is_gone_is_none_and_other_refusals_stay() -> None:
    async def answer(code: str) -> str:
        if code:
            raise TABLE.refusal(code, "x")
        return "here"

    assert asyncio.run(TABLE.unless_gone(answer(""))) == "here"
    assert asyncio.run(TABLE.unless_gone(answer("Nowhere"))) is None
    with pytest.raises(ProviderError, match="Full"):
        asyncio.run(TABLE.unless_gone(answer("Full")))
