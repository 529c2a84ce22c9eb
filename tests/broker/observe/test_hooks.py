"""Who is told of what, and what is sent."""

from __future__ import annotations

import hashlib
import hmac
import json
import pathlib
import re

import pytest

from tradewind.broker.observe.hooks import USUAL, Hook, body, sentence, signature, wants
from tradewind.broker.observe.settings import Metrics, ObserveError, Traces, parse_observe
from tradewind.broker.store.records import EventRow

ENDED = EventRow(
    9, "job/7", 3, 7, 12.5, "failed", "agent/1", {"why": "it exited with code 3\nlast words", "to": "FAILED"}
)


def changed(**how) -> EventRow:
    import msgspec

    return msgspec.structs.replace(ENDED, **how)


def test_without_a_choice_it_hears_of_ends_and_losses_once():
    hook = Hook(url="https://example.org/h")
    assert wants(hook, ENDED, "train")
    assert wants(hook, changed(kind="preempted"), "train")
    assert wants(hook, changed(kind="accelerators idle", subject="cluster/c/job/1"), "train")
    assert not wants(hook, changed(subject="cluster/c/job/1"), "train")
    assert not wants(hook, changed(kind="preempted", subject="cluster/c"), "train")
    assert not wants(hook, changed(kind="running"), "train")
    assert wants(hook, changed(subject="cluster/c/job/1", managed_job_id=None), None)


def test_a_choice_of_events_and_of_jobs():
    assert wants(Hook(url="https://h", events=("running",)), changed(kind="running"), "train")
    assert not wants(Hook(url="https://h", events=("running",)), ENDED, "train")
    assert wants(Hook(url="https://h", events=("all",)), changed(kind="whatever"), None)
    assert not wants(Hook(url="https://h", jobs=("other",)), ENDED, "train")
    assert wants(Hook(url="https://h", jobs=("train",)), ENDED, "train")


def test_what_is_sent():
    sent = body(Hook(url="https://h"), ENDED, "train")
    told = json.loads(sent)
    assert (told["seq"], told["subject"], told["kind"], told["job"]) == (9, "job/7", "failed", "train")
    assert told["text"] == sentence(ENDED, "train") == "tradewind: job/7 (train): failed - it exited with code 3"
    assert json.loads(body(Hook(url="https://h", format="slack"), ENDED, None)) == {
        "text": "tradewind: job/7: failed - it exited with code 3"
    }
    assert signature(b"key", sent) == "sha256=" + hmac.new(b"key", sent, hashlib.sha256).hexdigest()


def test_the_file():
    found = parse_observe(
        "hooks:\n- url: https://h.example/x\n  events: [succeeded]\ntraces: {endpoint: 'http://localhost:4318'}\nmetrics: {port: 9464}\n"
    )
    assert found.hooks == (Hook(url="https://h.example/x", events=("succeeded",)),)
    assert found.traces == Traces("http://localhost:4318")
    assert found.metrics == Metrics(9464)


def test_the_example_of_the_page_is_such_a_file():
    page = (pathlib.Path(__file__).parents[3] / "docs" / "observability.md").read_text()
    found = parse_observe(re.search(r"^```yaml\n(hooks:.*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    assert [hook.format for hook in found.hooks] == ["slack", "json"]
    assert found.traces is not None
    assert found.metrics is not None
    assert "\n".join(sorted(USUAL)) == "\n".join(
        sorted(
            ["succeeded", "failed", "failed setup", "failed prechecks", "failed no resource", "cancelled", "preempted"]
            + ["recovered", "notice", "budget nearly spent", "accelerators idle", "checkpoint not stored"]
        )
    ), "the page lists them"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hooks: {url: x}", "Expected `array`"),
        ("hooks:\n- url: ftp://x/y", "'ftp://x/y' is no http:// or https:// address"),
        ("hooks:\n- url: file:///etc/passwd", "is no http"),
        ("hooks:\n- {url: 'https://x', evnts: [a]}", "unknown field `evnts`"),
        ("metrics: {port: 70000}", "metrics.port must be a number up to 65535"),
        ("tracing: {}", "unknown field `tracing`"),
        ("{", "it may hold hooks, traces and metrics"),
    ],
)
def test_a_file_that_cannot_be_used(text, said):
    with pytest.raises(ObserveError, match=said.replace(".", r"\.")):
        parse_observe(text)
