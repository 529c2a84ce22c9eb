"""What this machine can refuse, and what each refusal covers."""

from __future__ import annotations

from typing import Literal

from tradewind.broker.clouds.error_table import ErrorTable
from tradewind.broker.clouds.meaning import Explanation
from tradewind.broker.provider import ProviderError

CLOUD = "local"

Code = Literal[
    "unsupported",
    "no-such-instance",
    "ended",
    "start-failed",
    "no-capacity",
    "no-machine-free",
    "disk",
    "not-yours",
    "bad-request",
    "time-out",
]
_FOR_GOOD_S = 365 * 86_400.0  # a finite second, so that it can be written as JSON

_OURS = "tradewind's own finding"

# code -> what it is, what it covers, and for how many seconds trying again is useless
_MEANING: dict[str, Explanation] = {
    "unsupported": Explanation("fatal", "cloud", _FOR_GOOD_S, _OURS),
    "no-such-instance": Explanation("request", "cloud", 0, _OURS),
    "ended": Explanation("request", "cloud", 0, _OURS),
    "start-failed": Explanation("transient", "cloud", 1, _OURS),
    "no-capacity": Explanation("capacity", "zone", 300, _OURS),
    "no-machine-free": Explanation(
        "capacity", "zone", 0, _OURS, "`tradewind down` frees them, `tradewind local up` makes more"
    ),
    "disk": Explanation("capacity", "region", 60, _OURS),
    "not-yours": Explanation("permission", "cloud", _FOR_GOOD_S, _OURS),
    "bad-request": Explanation("request", "cloud", _FOR_GOOD_S, _OURS),
    "time-out": Explanation("transient", "cloud", 1, _OURS),
}

_TABLE = ErrorTable(CLOUD, _MEANING, unknown_scope="cloud", unknown_s=_FOR_GOOD_S)
classify = _TABLE.classify


def refusal(code: Code, message: str) -> ProviderError:
    """An error of this provider."""
    return _TABLE.refusal(code, message)
