"""The JSON Schema refuses what the reader refuses by its form, and says what each field means."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.spec.jsonschema_check import problems
from tests.spec.reading import refusal
from tradewind.spec import json_schema
from tradewind.spec.fields import RESOURCE_FIELDS, TASK_FIELDS, TASK_NOTES

SCHEMA = json_schema()


@pytest.mark.parametrize(
    "text",
    [
        "ruN: a",
        "run: [a]",
        "num_nodes: 0",
        "num_nodes: true",
        "run_on: tail",
        "engine: spark",
        "elastic: 1",
        "name: [x]",
        "envs: {A-B: 1}",
        "envs: [A]",
        "workdir: {ref: x}",
        "file_mounts: {/a: {nam: x}}",
        "service: {replica_policy: {}}",
        "service: {ports: 70000}",
        "pool: {workers: -1}",
        "config: {docker: {x: 1}}",
        "config: {hooks: [{events: [stop]}]}",
        "inputs: {a: 1, b: 2}",
        "resources: {cpu: 4}",
        "resources: {run: a}",
        "resources: {use_spot: 'true'}",
        "resources: {disk_tier: huge}",
        "resources: {priority: 1001}",
        "resources: {max_hourly_cost: 0}",
        "resources: {any_of: aws}",
        "resources: {any_of: [{ordered: [{cpus: 1}]}]}",
        "resources: {autostop: {idle: 3}}",
        "resources: {labels: {a: 1}}",
        "resources: {job_recovery: {recover_on_exit_codes: 300}}",
    ],
)
def test_what_is_refused_by_its_form(text: str) -> None:
    assert refusal(text + "\n")
    assert problems(yaml.safe_load(text), SCHEMA)


def test_every_field_says_what_it_means() -> None:
    assert list(SCHEMA["properties"]) == [*TASK_FIELDS, *TASK_NOTES]
    assert all(part["description"] for part in SCHEMA["properties"].values())
    assert set(RESOURCE_FIELDS) < set(SCHEMA["$defs"]["Resources"]["properties"])


def test_it_is_plain_json_whose_references_lead_somewhere() -> None:
    text = json.dumps(SCHEMA)
    for target in {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}:
        assert target in SCHEMA["$defs"]
