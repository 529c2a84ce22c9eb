"""How an instance hears that AWS will take it: the spot interruption notice (two minutes) and the rebalance recommendation, both from IMDSv2.

Sources: EC2 user guide, "Spot Instance interruption notices" (instance-action: 404 until there is one, then {"action", "time"}) and "EC2 instance
rebalance recommendations" ({"noticeTime"}); "Use IMDSv2". A recommendation gives no time: the instance may go on for hours.
"""

from __future__ import annotations

import datetime as dt
import json

from tradewind.broker.capabilities import NoticeSource

_BASE = "http://169.254.169.254/latest"
INTERRUPTION_URL = f"{_BASE}/meta-data/spot/instance-action"
REBALANCE_URL = f"{_BASE}/meta-data/events/recommendations/rebalance"
ENDING_ACTIONS = frozenset({"terminate", "stop", "hibernate"})

NOTICE_SOURCE = NoticeSource(
    urls=(INTERRUPTION_URL,),
    headers={},
    parser="tradewind.broker.clouds.aws.notices:seconds_left",
    interval_s=5.0,  # as the user guide recommends
    token_url=f"{_BASE}/api/token",
    token_request_headers={"X-aws-ec2-metadata-token-ttl-seconds": "21600"},
    token_header="X-aws-ec2-metadata-token",  # noqa: S106  a header, not a password
)


def seconds_left(status: int, body: bytes, now_unix: float) -> float | None:
    """Seconds until AWS takes the instance, by its own answer (0 when that time has passed); None while it does not say so."""
    if status != 200:
        return None
    try:
        notice = json.loads(body)
        if notice["action"] not in ENDING_ACTIONS:
            return None
        at = dt.datetime.fromisoformat(notice["time"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=dt.UTC)
    return max(0.0, at.timestamp() - now_unix)


def rebalance_advised(status: int, body: bytes) -> bool:
    """Whether AWS says that this spot instance is at elevated risk."""
    if status != 200:
        return False
    try:
        return "noticeTime" in json.loads(body)
    except (ValueError, TypeError):
        return False
