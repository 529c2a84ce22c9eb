from __future__ import annotations

import pytest

from clouds.error_tables import NOW, ErrorTableTests
from tradewind.broker.clouds.azure.errors import MEANINGS, TABLE


class TestTable(ErrorTableTests):
    table, rows = TABLE, MEANINGS


@pytest.mark.parametrize(
    ("code", "message", "kind", "scope"),
    [
        ("OperationNotAllowed", "it results in exceeding approved standardDSv5Family Cores quota.", "quota", "family"),
        ("OperationNotAllowed", "it results in exceeding approved Total Regional Cores quota.", "quota", "region"),
        ("OperationNotAllowed", "it results in exceeding approved LowPriorityCores quota.", "quota", "region"),
        ("OperationNotAllowed", "The VM is not in a state in which this is allowed.", "request", "type"),
        ("SkuNotAvailable", "is currently not available in location 'eastus'.", "capacity", "type"),
        ("SkuNotAvailable", "not available in the requested zone", "capacity", "type"),
        ("SkuNotAvailable", "The size is not available for this subscription", "quota", "type"),
    ],
)
def test_the_text_may_say_more_than_the_code(code, message, kind, scope) -> None:
    blocked = TABLE.classify(TABLE.refusal(code, message), NOW)
    assert (blocked.kind, blocked.scope) == (kind, scope)
