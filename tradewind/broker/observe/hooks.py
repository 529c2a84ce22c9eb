"""Web hooks: which events are told to whom, and what is sent. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Literal

import msgspec

from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.store.records import EventRow

SIGNATURE = "X-Tradewind-Signature"
DELIVERY = "X-Tradewind-Delivery"
# Without `events:` a hook hears how managed jobs end and what costs money or progress meanwhile.
USUAL = frozenset(
    {state.lower().replace("_", " ") for state in mm.FINAL}
    | {"preempted", "recovered", "budget nearly spent", "accelerators idle", "checkpoint not stored", "notice"}
)


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST what happens to `url`.

    `events` are words of the timeline ("succeeded", "preempted"), ["all"] for every one; `jobs` only managed jobs of these names. With
    `secret_file` the body is signed: HMAC-SHA256 (RFC 2104) under the file's content. `format` slack sends {"text": ...} alone.
    """

    url: str
    events: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    secret_file: str = ""
    format: Literal["json", "slack"] = "json"


def wants(hook: Hook, event: EventRow, job_name: str | None) -> bool:
    """Whether the hook is told of this event; `job_name` is the managed job's that it belongs to, None when it belongs to none."""
    if hook.jobs and job_name not in hook.jobs:
        return False
    if hook.events:
        return "all" in hook.events or event.kind in hook.events
    # A managed job's cluster and its jobs end in the same words; the job itself says it once.
    is_owned = event.managed_job_id is not None and not event.subject.startswith("job/")
    said_elsewhere = is_owned and event.kind in {"preempted", *(state.lower().replace("_", " ") for state in mm.FINAL)}
    return event.kind in USUAL and not said_elsewhere


def body(hook: Hook, event: EventRow, job_name: str | None) -> bytes:
    """What is sent: the event as the API shows it, with a sentence for people."""
    text = sentence(event, job_name)
    if hook.format == "slack":
        return json.dumps({"text": text}).encode()
    told: dict[str, Any] = {
        "seq": event.seq,
        "unix": event.unix,
        "subject": event.subject,
        "kind": event.kind,
        "cause": event.cause,
        "managed_job_id": event.managed_job_id,
        "job": job_name,
        "data": event.data,
        "text": text,
    }
    return json.dumps(told).encode()


def sentence(event: EventRow, job_name: str | None) -> str:
    """One line: who, what happened, and why."""
    who = f"{event.subject} ({job_name})" if job_name else event.subject
    why = str(event.data.get("why") or "").strip().partition("\n")[0]
    return f"tradewind: {who}: {event.kind}" + (f" - {why}" if why else "")


def signature(secret: bytes, sent: bytes) -> str:
    """The value of SIGNATURE: `sha256=` and the hexadecimal HMAC."""
    return "sha256=" + hmac.new(secret, sent, hashlib.sha256).hexdigest()
