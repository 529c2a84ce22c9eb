"""What this machine can refuse, and what each refusal covers."""

from __future__ import annotations

from typing import Literal

from tradewind.broker.provider import Blocked, Kind, ProviderError, Scope

CLOUD = "local"

Code = Literal["unsupported", "no-such-instance", "ended", "start-failed", "disk", "bad-request", "time-out"]

# code -> what it is, what it covers, and for how many seconds trying again is useless
_MEANING: dict[str, tuple[Kind, Scope, float]] = {
    "unsupported": ("fatal", "cloud", float("inf")),
    "no-such-instance": ("request", "cloud", 0),
    "ended": ("request", "cloud", 0),
    "start-failed": ("transient", "cloud", 1),
    "disk": ("capacity", "cloud", 60),
    "bad-request": ("request", "cloud", float("inf")),
    "time-out": ("transient", "cloud", 1),
}


def refusal(code: Code, message: str) -> ProviderError:
    """An error of this provider."""
    return ProviderError(CLOUD, code, message)


def classify(error: ProviderError, now_unix: float) -> Blocked:
    """What the error covers and until when; a code that this provider never gives is fatal."""
    kind, scope, seconds = _MEANING.get(error.code, ("fatal", "cloud", float("inf")))
    return Blocked(kind=kind, scope=scope, why=error.message, until_unix=now_unix + seconds)
