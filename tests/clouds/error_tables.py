"""What holds for every cloud's table of error codes, as tests: a cloud's own test file subclasses `ErrorTableTests` and gives it the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tradewind.broker.clouds.error_table import ErrorTable
from tradewind.broker.clouds.meaning import Explanation

NOW = 1000.0
LONGEST_S = 86400.0


class ErrorTableTests:
    """Subclass it, and set `table` and `rows`."""

    table: ClassVar[ErrorTable]
    rows: ClassVar[Mapping[str, Explanation]]

    def test_every_code_has_a_source_and_ends(self) -> None:
        for code, row in self.rows.items():
            assert row.source, code
            blocked = self.table.classify(self.table.refusal(code, "no text"), NOW)
            assert (blocked.kind, blocked.scope) == (row.kind, row.scope), code
            assert NOW <= blocked.until_unix <= NOW + LONGEST_S, code
            assert code in blocked.why
            assert row.mend in blocked.why

    def test_an_error_is_one_line(self) -> None:
        assert "\n" not in str(self.table.refusal("X", "two\nlines"))
