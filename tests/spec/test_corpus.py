"""Every field in every form: read, written in its normal form, sent, and described by the schema."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.spec.corpus import DOCUMENTS, RESOURCES, TASKS
from tests.spec.jsonschema_check import problems
from tests.spec.reading import read
from tradewind.spec import SpecError, Task, json_schema, normal_form, task_from_dict, task_to_dict
from tradewind.spec.fields import RESOURCE_FIELDS, SHARED_RESOURCE_FIELDS, TASK_FIELDS

SCHEMA = json_schema()


def test_the_corpus_has_every_field() -> None:
    assert set(TASKS) == set(TASK_FIELDS)
    assert set(RESOURCES) == {*RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS, "any_of", "ordered"}


@pytest.mark.parametrize("text", DOCUMENTS)
def test_it_is_read_and_written_and_sent(text: str) -> None:
    task = read(text)
    form = normal_form(task)
    assert read(yaml.safe_dump(form, sort_keys=False) if form else "run:\n") == task
    assert task_from_dict(json.loads(json.dumps(task_to_dict(task)))) == task
    assert all(isinstance(hash(each), int) for each in task.resources)
    assert problems(form, SCHEMA) == []


@pytest.mark.parametrize("text", DOCUMENTS)
def test_the_schema_allows_it(text: str) -> None:
    assert problems(yaml.safe_load(text), SCHEMA) == []


def outcome(text: str) -> Task | SpecError:
    try:
        return read(text)
    except SpecError as refused:
        return refused


ODD = ("[]", "{}", "1", "-1", "1.5", ".nan", "x", "''", "true", "null", "2001-01-01", "{a: 1}", "[1]", "[null]", "{a: null}", "[[x]]", "{a: {b: [c]}}",
       "[{}]", "1" * 40, "{'': x}")  # fmt: skip


@pytest.mark.parametrize("field", [*TASKS, *(f"resources.{field}" for field in RESOURCES)])
def test_any_other_value_is_read_or_refused_in_a_sentence(field: str) -> None:
    outer, _, inner = field.partition(".")
    for value in ODD:
        text = f"{outer}: {{{inner}: {value}}}\n" if inner else f"{outer}: {value}\n"
        for whole in (text, text.replace("{a:", "{name:").replace("[1]", "[{path: 1}]")):
            found = outcome(whole)
            if isinstance(found, SpecError):
                assert (found.line, "\n" in str(found)) == (1, False)
                assert found.field.startswith(outer)
                continue
            form = normal_form(found)
            assert read(yaml.safe_dump(form, sort_keys=False) if form else "run:\n") == found, whole
