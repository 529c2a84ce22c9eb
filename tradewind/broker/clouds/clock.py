"""Whether this machine's clock is why a vendor does not take our login: every answer says what time it is there (RFC 9110, section 6.6.1, "Date")."""

from __future__ import annotations

import email.utils
import time

from tradewind.broker.clouds.meaning import Explanation

CODE = "CLOCK_WRONG"
MEANING = Explanation(
    "permission", "cloud", 300, "tradewind's own finding", "set this machine's clock (timedatectl set-ntp true)"
)
TOLERATED_S = 300.0  # vendors allow for minutes, and tokens live for an hour


def wrong(date: str | None, whose: str, now_unix: float | None = None) -> str:
    """How far this machine's clock is from `whose`, by the date of their answer, as a clause; "" where it is near enough or they do not say."""
    try:
        theirs = email.utils.parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return ""
    ahead_s = (time.time() if now_unix is None else now_unix) - theirs
    if abs(ahead_s) <= TOLERATED_S:
        return ""
    return f"this machine's clock is {abs(ahead_s) / 60:.0f} min {'ahead of' if ahead_s > 0 else 'behind'} {whose}"
