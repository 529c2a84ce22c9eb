"""Event rows as a person reads them: one line a fact, with the seconds since the first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.cli.terminal import short_place, styled, usd

Event = Mapping[str, Any]  # a row of GET /v1/events, as JSON

_STYLE = {
    "preempted": "yellow",
    "instance lost": "yellow",
    "recovering": "yellow",
    "recovered": "green",
    "succeeded": "green",
    "up": "green",
}


def sentence(event: Event) -> str:
    """What the fact's data say beside its kind: which node, where, at what price, why."""
    data = event.get("data") or {}
    parts = []
    if "rank" in data and "place" in data:
        parts.append(f"node {data['rank']} at {data['place']}")
    elif data.get("place"):
        parts.append(str(data["place"]))
    if data.get("hourly_usd"):
        parts.append(f"{usd(float(data['hourly_usd']))} USD/h")
    parts += [str(data[key]) for key in ("why", "reason") if data.get(key)]
    if data.get("files"):
        count = int(data["files"])
        size = f"{count:,} file{'' if count == 1 else 's'}, {float(data.get('bytes', 0)) / 1e6:,.1f} MB"
        parts.append(size if int(data.get("nodes", 1)) < 2 else f"{size}, to each of {data['nodes']} nodes")
    if data.get("left"):
        parts.append(f"without {str(data['left']).partition(' ')[0]}")
    if data.get("seconds_left") is not None:
        parts.append(f"its cloud takes the machine in {float(data['seconds_left']):.0f} s")
    if data.get("found"):
        parts.append(f"node {data.get('rank', 0)} has {data['found']}")
    if data.get("newest"):
        parts.append(str(data["newest"]))
    return short_place(" ".join("; ".join(parts).split()))


def line(event: Event, since_unix: float, *, colour: bool = False, limit: int | None = None) -> str:
    """`   4.2 s  recovering        gcp/us-west1-b; 0.026 USD/h`; in at most `limit` columns what it says goes on below."""
    kind = str(event["kind"])
    style = "red" if "failed" in kind else _STYLE.get(kind)
    shown = styled(kind, style, colour=colour) if style else kind
    said = _wrapped(sentence(event), limit)
    return f"{float(event['unix']) - since_unix:7.1f} s  {shown}" + (
        " " * max(1, 18 - len(kind)) + said if said else ""
    )


_SAID_FROM = 29  # columns before what an event says


def _wrapped(said: str, limit: int | None) -> str:
    if limit is None or len(said) <= limit - _SAID_FROM:
        return said
    import textwrap

    return f"\n{' ' * _SAID_FROM}".join(textwrap.wrap(said, max(limit - _SAID_FROM, 20)))


_TOLD_BY_THE_JOB = frozenset({"provisioning", "up", "preempted", "failed", "terminating", "released"})
_SMALL = frozenset({"submitted", "setting up", "checkpoint synced"})


def is_stage(event: Event, subject: str) -> bool:
    """Whether someone who follows `subject` wants to hear of the event: what a managed job's cluster repeats of it is left out."""
    kind, of, data = str(event["kind"]), str(event.get("subject", "")), event.get("data") or {}
    if kind in _SMALL:
        return False
    if kind == "checkpoint restored":
        return bool(data.get("newest"))
    if not subject.startswith("job/"):
        return True
    if "/job/" in of:
        return False
    return not (of.startswith("cluster/") and kind in _TOLD_BY_THE_JOB)


def timeline(events: Sequence[Event], *, colour: bool = False, limit: int | None = None) -> str:
    """Every event on its line, seconds counted from the first."""
    if not events:
        return ""
    first = float(events[0]["unix"])
    return "\n".join(line(event, first, colour=colour, limit=limit) for event in events)
