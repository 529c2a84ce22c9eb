"""Why an order is not carried out."""

from __future__ import annotations

from typing import Literal

RefusalKind = Literal["version", "request", "state", "internal", "room"]


class RefusalError(Exception):
    """Answered to the broker as `Refused`: one sentence and its kind."""

    def __init__(self, message: str, kind: RefusalKind = "request") -> None:
        super().__init__(message, kind)
        self.message, self.kind = message, kind

    def __str__(self) -> str:
        return self.message
