"""One cloud's error codes as a table, and what follows from a row. The rows are each cloud's own, in its `errors.py`."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

import msgspec

from tradewind.broker.clouds.meaning import Explanation
from tradewind.broker.provider import Blocked, Kind, ProviderError, Scope

T = TypeVar("T")
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class Finer(msgspec.Struct, frozen=True):
    """A meaning that `codes` ("A|B") have only where `pattern` is found in the message."""

    codes: str
    pattern: str
    kind: Kind
    scope: Scope
    seconds: float
    mend: str = ""


class ErrorTable:
    """What a cloud's codes mean. `finer` rows come before the code's own, the first that is found decides.

    `gone` are the codes that say that what was named does not exist, `login` those that say that the login is not, or no more, accepted. A code without a row covers `unknown_scope` for `unknown_s` seconds. `prefixes` are what a cloud may put before a code without meaning
    anything else by it.
    """

    def __init__(
        self,
        cloud: str,
        rows: Mapping[str, Explanation],
        *,
        finer: Sequence[Finer] = (),
        unknown_scope: Scope = "zone",
        unknown_s: float = 5 * MINUTE,
        prefixes: Sequence[str] = (),
        gone: Sequence[str] = (),
        login: Sequence[str] = (),
    ) -> None:
        self._cloud, self._rows, self._finer = cloud, rows, tuple(finer)
        self._unknown_scope, self._unknown_s, self._prefixes = unknown_scope, unknown_s, tuple(prefixes)
        self._gone, self._login = frozenset(gone), frozenset(login)

    def refusal(self, code: str, message: str) -> ProviderError:
        """An error of this cloud, in one line."""
        return ProviderError(self._cloud, code, " ".join(message.split()))

    def find(self, code: str) -> Explanation | None:
        """How the code is treated; None for one that the table does not know."""
        if code in self._rows:
            return self._rows[code]
        return next((self._rows.get(code.removeprefix(p)) for p in self._prefixes if code.startswith(p)), None)

    def is_gone(self, error: ProviderError) -> bool:
        """Whether the error says that what was named does not exist."""
        return error.code in self._gone

    def turns_away(self, error: ProviderError) -> bool:
        """Whether the error says that whoever calls may not do so at this cloud: nothing came of the call."""
        known = self.find(error.code)
        return known is not None and (known.kind, known.scope) == ("permission", "cloud")

    def is_login(self, error: ProviderError) -> bool:
        """Whether the error says that the login is not accepted: one that a person makes meanwhile may be."""
        return error.code in self._login

    async def unless_gone(self, work: Awaitable[T]) -> T | None:
        """What the work returns; None where it finds that what was named does not exist. Raises ProviderError for any other refusal."""
        try:
            return await work
        except ProviderError as error:
            if self.is_gone(error):
                return None
            raise

    def is_transient(self, error: ProviderError) -> bool:
        """Whether the error says nothing about the call: it may have taken effect although it failed."""
        known = self.find(error.code)
        return known is not None and known.kind == "transient"

    def classify(self, error: ProviderError, now_unix: float | None = None) -> Blocked:
        """What the error covers, and until which Unix second; a code that is not in the table is named as unknown."""
        now = time.time() if now_unix is None else now_unix
        for row in self._finer:
            if error.code in row.codes.split("|") and re.search(row.pattern, error.message):
                return Blocked(row.kind, row.scope, _with(row.mend, error), now + row.seconds)
        known = self.find(error.code)
        if known is None:
            why = f"{error}; tradewind does not know the code {error.code}"
            return Blocked("fatal", self._unknown_scope, why, now + self._unknown_s)
        return Blocked(known.kind, known.scope, _with(known.mend, error), now + known.seconds)


def _with(mend: str, error: ProviderError) -> str:
    return f"{error}; {mend}" if mend else str(error)
