from __future__ import annotations

import pytest

from tradewind.broker.clouds.azure import errors
from tradewind.broker.clouds.azure.errors import MEANINGS, refusal

NOW = 1000.0


@pytest.mark.parametrize("row", MEANINGS.values(), ids=lambda row: row.code)
def test_every_code_has_a_source_and_ends(row) -> None:
    assert row.source
    blocked = errors.classify(refusal(row.code, "no text"), NOW)
    assert (blocked.kind, blocked.scope) == (row.kind, row.scope)
    assert NOW <= blocked.until_unix < NOW + 7 * 86400
    assert row.code in blocked.why


@pytest.mark.parametrize(
    ("code", "message", "kind", "scope"),
    [
        ("OperationNotAllowed", "it results in exceeding approved standardDSv5Family Cores quota.", "quota", "region"),
        ("OperationNotAllowed", "The VM is not in a state in which this is allowed.", "request", "type"),
        ("SkuNotAvailable", "is currently not available in location 'eastus'.", "capacity", "type"),
        ("SkuNotAvailable", "not available in the requested zone", "capacity", "type"),
        ("SkuNotAvailable", "The size is not available for this subscription", "quota", "type"),
    ],
)
def test_the_text_may_say_more_than_the_code(code, message, kind, scope) -> None:
    blocked = errors.classify(refusal(code, message), NOW)
    assert (blocked.kind, blocked.scope) == (kind, scope)


def test_an_error_is_one_line() -> None:
    assert "\n" not in str(refusal("X", "two\nlines"))
