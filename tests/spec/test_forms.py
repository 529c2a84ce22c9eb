"""Thousands of forms of every field of SkyPilot's, of which ours is the same verdict: `benchmarks/skypilot_forms.py` asks SkyPilot itself.

One a line as a JSON string, so that a file of several documents is one too. Those in `accepted_forms.txt` are read (what only a launch refuses, a path that
is not there, is gathered), those in `refused_forms.txt` are refused in a sentence. Left out are our own fields and values, and `envs: null`, which SkyPilot
does not survive.
"""

from __future__ import annotations

import json
import pathlib

import pytest

from tradewind.spec import SpecError
from tradewind.spec.errors import UnknownCloud
from tradewind.spec.load import parse_workload
from tradewind.spec.normal import normal_forms

TASKS = pathlib.Path(__file__).parent / "tasks"


def forms(name: str) -> list[str]:
    return [json.loads(line) for line in (TASKS / name).read_text().splitlines()]


def refusal(text: str) -> SpecError | None:
    """Why the form is refused, None if it is not; no other error is an answer."""
    later: list[SpecError] = []
    try:
        workload = parse_workload(text, "t.yaml", "/", later=later)
    except SpecError as error:
        return error
    for error in later:
        if isinstance(error, UnknownCloud):
            return error
    assert normal_forms(workload)
    return None


def test_what_skypilot_reads_is_read() -> None:
    assert {text: str(why) for text in forms("accepted_forms.txt") if (why := refusal(text))} == {}


def test_what_skypilot_refuses_is_refused_in_a_sentence() -> None:
    found = {text: refusal(text) for text in forms("refused_forms.txt")}
    assert [text for text, why in found.items() if why is None] == []
    assert [text for text, why in found.items() if why is not None and "\n" in str(why)] == []


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("name: a/b\n", "name"),
        ("workdir: nowhere\n", "workdir"),
        ("file_mounts: {/a: nowhere}\n", "file_mounts./a"),
        ("file_mounts: {/a: {}}\n", "file_mounts./a"),
        ("file_mounts: {/a/: /tmp}\n", "file_mounts./a/"),
        ("file_mounts: {../a: /tmp}\n", "file_mounts.../a"),
        ("volumes: {/v: {}}\n", "volumes./v"),
        ("config: {madeup: 1}\n", "config.madeup"),
        ("secrets: {A-B: null}\n", "secrets.A-B"),
        ("resources: {job_recovery: madeup}\n", "resources.job_recovery"),
        ("resources: {job_recovery: {madeup: 1}}\n", "resources.job_recovery.madeup"),
        ("resources: {gpus: 16GB-32GB}\n", "resources.gpus"),
        ("resources: {gpus: 'A100:1.5'}\n", "resources.gpus"),
        ("resources: {cpus: .inf}\n", "resources.cpus"),
        ("resources: {labels: {1: a}}\n", "resources.labels.1"),
        ("resources: {any_of: [{autostop: 5}, {autostop: 6}]}\n", "resources.any_of[1].autostop"),
        ("num_nodes: 100000\n", "num_nodes"),
    ],
)
def test_what_a_launch_refuses_is_gathered_or_raised(text: str, field: str) -> None:
    later: list[SpecError] = []
    parse_workload(text, "t.yaml", "/", later=later)
    assert [error.field for error in later] == [field]
    with pytest.raises(SpecError) as caught:
        parse_workload(text, "t.yaml", "/")
    assert str(caught.value) == str(later[0])
    assert caught.value.line == 1
