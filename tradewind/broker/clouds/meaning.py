"""What a cloud's error code means, in one form for all clouds."""

from __future__ import annotations

import msgspec

from tradewind.broker.provider import Kind, Scope


class Explanation(msgspec.Struct, frozen=True):
    """How a code is treated: trying what it covers again within `seconds` is useless. `source` is the vendor's page, `mend` what a person can do."""

    kind: Kind
    scope: Scope
    seconds: float
    source: str
    mend: str = ""
