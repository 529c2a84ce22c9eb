"""What this machine can refuse, and what each refusal covers."""

from __future__ import annotations

from typing import Literal

from tradewind.broker.provider import Blocked, Kind, ProviderError, Scope

CLOUD = "local"

Code = Literal[
    "unsupported",
    "no-such-instance",
    "ended",
    "start-failed",
    "no-capacity",
    "disk",
    "not-yours",
    "bad-request",
    "time-out",
]
_FOR_GOOD_S = 365 * 86_400.0  # a finite second, so that it can be written as JSON

# code -> what it is, what it covers, and for how many seconds trying again is useless
_MEANING: dict[str, tuple[Kind, Scope, float]] = {
    "unsupported": ("fatal", "cloud", _FOR_GOOD_S),
    "no-such-instance": ("request", "cloud", 0),
    "ended": ("request", "cloud", 0),
    "start-failed": ("transient", "cloud", 1),
    "no-capacity": ("capacity", "zone", 300),
    "disk": ("capacity", "region", 60),
    "not-yours": ("permission", "cloud", _FOR_GOOD_S),
    "bad-request": ("request", "cloud", _FOR_GOOD_S),
    "time-out": ("transient", "cloud", 1),
}


def refusal(code: Code, message: str) -> ProviderError:
    """An error of this provider."""
    return ProviderError(CLOUD, code, message)


def classify(error: ProviderError, now_unix: float) -> Blocked:
    """What the error covers and until when; a code that this provider never gives is fatal."""
    kind, scope, seconds = _MEANING.get(error.code, ("fatal", "cloud", _FOR_GOOD_S))
    return Blocked(kind=kind, scope=scope, why=str(error), until_unix=now_unix + seconds)
