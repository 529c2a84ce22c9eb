from __future__ import annotations

import email.utils
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.clouds.azure.notices import SOURCE, seconds_left

NOW = 1_790_000_000.0
SOON, PAST = (email.utils.formatdate(NOW + s, usegmt=True) for s in (30, -2000))


def events(*entries: dict) -> bytes:
    return json.dumps({"DocumentIncarnation": 1, "Events": list(entries)}).encode()


def event(kind: str, not_before: str = SOON, status: str = "Scheduled") -> dict:
    return {"EventId": "e", "EventType": kind, "EventStatus": status, "Resources": ["vm"], "NotBefore": not_before}


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (events(), None),
        (events(event("Preempt")), 30.0),
        (events(event("Freeze")), None),
        (events(event("Reboot")), None),
        (events(event("Freeze"), event("Terminate")), 30.0),
        (events(event("Preempt", "")), 0.0),
        (events(event("Preempt", status="Started")), 0.0),
        (events(event("Preempt", PAST)), 0.0),
        (events(event("Preempt", "soon")), 0.0),
        (b"", None),
        (b"[]", None),
        (b'{"Events": [7]}', None),
    ],
)
def test_what_scheduled_events_say(body, left) -> None:
    assert seconds_left(200, body, NOW) == left
    assert seconds_left(410, body, NOW) is None


@given(st.binary(max_size=200))
def test_whatever_is_said_the_parser_stands(body) -> None:
    seconds_left(200, body, NOW)


def test_the_parser_is_found_by_its_name() -> None:
    import importlib

    module, _, name = SOURCE.parser.partition(":")
    assert getattr(importlib.import_module(module), name) is seconds_left
