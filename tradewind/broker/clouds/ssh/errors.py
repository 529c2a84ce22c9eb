"""What machines of one's own can refuse, and what each refusal covers."""

from __future__ import annotations

from tradewind.broker.clouds.error_table import DAY, MINUTE, ErrorTable
from tradewind.broker.clouds.meaning import Explanation

CLOUD = "ssh"
_OURS = "tradewind's own finding"

# code -> what it is, what it covers ("type": machines of this shape in this pool), for how many seconds, and what a person can do
CODES: dict[str, Explanation] = {
    "Busy": Explanation("capacity", "type", MINUTE, _OURS),
    "NoMachine": Explanation("capacity", "type", MINUTE, _OURS),
    "NoFile": Explanation("permission", "cloud", 5 * MINUTE, _OURS),
    "BadFile": Explanation("permission", "cloud", 5 * MINUTE, _OURS),
    "NoMachineWorks": Explanation(
        "permission", "cloud", 5 * MINUTE, _OURS, "tradewind check ssh says what each of them answers"
    ),
    "Unsupported": Explanation("fatal", "cloud", DAY, _OURS),
    "SshUnreachable": Explanation("transient", "type", MINUTE, _OURS),
    "SshRefused": Explanation("permission", "cloud", 5 * MINUTE, _OURS, "let your key in: ssh-copy-id"),
    "HostKeyChanged": Explanation("permission", "cloud", 5 * MINUTE, _OURS),
    "HostKeyUnknown": Explanation("permission", "cloud", 5 * MINUTE, _OURS),
    "SshLost": Explanation("transient", "type", MINUTE, _OURS),
    "SshTimeout": Explanation("transient", "type", MINUTE, _OURS),
    "SshStart": Explanation("transient", "type", MINUTE, _OURS),
    "SshCopy": Explanation("transient", "type", MINUTE, _OURS),
    "Install": Explanation("transient", "type", MINUTE, _OURS),
    "NoPython": Explanation("image", "type", DAY, _OURS, "install Python 3.11 or newer, or uv"),
    "DiskFull": Explanation("request", "type", DAY, _OURS),
    "BadSource": Explanation("request", "cloud", 0, _OURS),
    "BadTarget": Explanation("request", "cloud", 0, _OURS),
}

TABLE = ErrorTable(CLOUD, CODES, unknown_scope="type", unknown_s=10 * MINUTE)
refusal, classify = TABLE.refusal, TABLE.classify
