"""How a machine on Azure hears that it will be taken: Scheduled Events of its metadata service, and their pure parser."""

from __future__ import annotations

import email.utils
import json

from tradewind.broker.capabilities import NoticeSource

# learn.microsoft.com/azure/virtual-machines/linux/scheduled-events: Preempt comes at least 30 s ahead, Terminate and Redeploy minutes;
# an empty NotBefore means that it has begun. Asking once turns the service on, which may take two minutes.
SOURCE = NoticeSource(
    urls=("http://169.254.169.254/metadata/scheduledevents?api-version=2020-07-01",),
    headers={"Metadata": "true"},
    parser="tradewind.broker.clouds.azure.notices:seconds_left",
    interval_s=2.0,
)
TAKING = frozenset({"Preempt", "Terminate", "Redeploy"})


def seconds_left(status: int, body: bytes, now_unix: float) -> float | None:
    """Seconds until the machine is taken (0 if that has begun); None while nothing that takes it is announced."""
    if status != 200:
        return None
    try:
        events = json.loads(body).get("Events", [])
    except (ValueError, AttributeError):
        return None
    left = [_left(event, now_unix) for event in events if isinstance(event, dict) and event.get("EventType") in TAKING]
    return min(left) if left else None


def _left(event: dict[str, object], now_unix: float) -> float:
    said = event.get("NotBefore")
    if event.get("EventStatus") == "Started" or not isinstance(said, str) or not said:
        return 0.0
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - now_unix)
    except ValueError:
        return 0.0
