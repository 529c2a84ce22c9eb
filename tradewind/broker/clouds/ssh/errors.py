"""What machines of one's own can refuse, and what each refusal covers."""

from __future__ import annotations

import time

from tradewind.broker.provider import Blocked, Kind, ProviderError, Scope

CLOUD = "ssh"
MINUTE, DAY = 60.0, 86400.0
UNKNOWN_S = 10 * MINUTE

# code -> what it is, what it covers ("type": machines of this shape in this pool), for how many seconds, and what a person can do
CODES: dict[str, tuple[Kind, Scope, float, str]] = {
    "Busy": ("capacity", "type", MINUTE, ""),
    "NoMachine": ("capacity", "type", MINUTE, ""),
    "NoFile": ("permission", "cloud", 5 * MINUTE, ""),
    "BadFile": ("permission", "cloud", 5 * MINUTE, ""),
    "NoMachineWorks": ("permission", "cloud", 5 * MINUTE, "tradewind check ssh says what each of them answers"),
    "Unsupported": ("fatal", "cloud", DAY, ""),
    "SshUnreachable": ("transient", "type", MINUTE, ""),
    "SshRefused": ("permission", "cloud", 5 * MINUTE, "let your key in: ssh-copy-id"),
    "HostKeyChanged": ("permission", "cloud", 5 * MINUTE, ""),
    "HostKeyUnknown": ("permission", "cloud", 5 * MINUTE, ""),
    "SshLost": ("transient", "type", MINUTE, ""),
    "SshTimeout": ("transient", "type", MINUTE, ""),
    "SshStart": ("transient", "type", MINUTE, ""),
    "SshCopy": ("transient", "type", MINUTE, ""),
    "Install": ("transient", "type", MINUTE, ""),
    "NoPython": ("image", "type", DAY, "install Python 3.11 or newer, or uv"),
    "DiskFull": ("request", "type", DAY, ""),
    "BadSource": ("request", "cloud", 0, ""),
    "BadTarget": ("request", "cloud", 0, ""),
}


def refusal(code: str, message: str) -> ProviderError:
    """An error of this provider."""
    return ProviderError(CLOUD, code, message)


def classify(error: ProviderError, now_unix: float | None = None) -> Blocked:
    """What the error covers and until when; a code that is not in the table is named as unknown."""
    now = time.time() if now_unix is None else now_unix
    if error.code not in CODES:
        why = f"{error.message} ({error.code}, a code that tradewind does not know)"
        return Blocked(kind="fatal", scope="type", why=why, until_unix=now + UNKNOWN_S)
    kind, scope, seconds, mend = CODES[error.code]
    why = error.message + (f"; {mend}" if mend else "")
    return Blocked(kind=kind, scope=scope, why=why, until_unix=now + seconds)
