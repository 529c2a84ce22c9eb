"""YAML as trees with lines: what is read, and how each kind of damage is refused."""

from __future__ import annotations

import contextlib
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.reading import read, refusal
from tradewind.spec import SpecError
from tradewind.spec.document import MAX_BYTES, Mapping, Scalar, read_documents


def test_every_node_knows_its_line_and_column() -> None:
    (tree,) = read_documents("name: a\nresources:\n  cpus: 4\n", "t.yaml")
    resources = tree.entries["resources"]
    assert isinstance(resources, Mapping)
    cpus = resources.entries["cpus"]
    assert isinstance(cpus, Scalar)
    assert (cpus.value, cpus.mark.line, cpus.mark.column) == (4, 3, 9)
    assert (resources.key_marks["cpus"].line, resources.key_marks["cpus"].column) == (3, 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "t.yaml: the file is empty; a task needs at least a `run:` line"),
        ("# only a comment\n", "t.yaml: the file is empty; a task needs at least a `run:` line"),
        ("null\n", "t.yaml: the file is empty; a task needs at least a `run:` line"),
        ("- a\n", "t.yaml:1: a task file is a mapping of fields, such as `run: echo hello`"),
        ("run: a\nname: b\nrun: c\n", "t.yaml:3: run: given twice (first on line 1); keep one"),
        ("resources:\n\tcpus: 1\n", "t.yaml:2: a tab is used for indentation; YAML wants spaces"),
        ("? [a]\n: b\n", "t.yaml:1: a field's name must be text"),
        (
            "run: !!python/object/apply:os.system [ls]\n",
            "t.yaml:1: the tag tag:yaml.org,2002:python/object/apply:os.system is not allowed in a task file",
        ),
        ("run: *x\n", "t.yaml:1: the alias *x has no finished &x before it"),
        ("a: &a {b: *a}\n", "t.yaml:1: the alias *a has no finished &a before it"),
        ("run: 2001-99-99\n", "t.yaml:1: '2001-99-99' cannot be read as a timestamp; quote it"),
        (
            "run: a\n---\nrun: b\n",
            "t.yaml:3: the file holds a chain of 2 tasks, and this takes one; `tradewind jobs launch` runs them all",
        ),
        (
            "run: a\nname: \x07\n",
            "t.yaml:2: the character U+0007 is not allowed in YAML; remove it or write it as an escape",
        ),
    ],
)
def test_damage_gets_one_sentence(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


def test_broken_syntax_is_refused_with_its_line() -> None:
    assert refusal("run: a\nenvs: {A: 1\nname: x\n").startswith("t.yaml:3: not YAML: ")


def test_a_leading_separator_is_no_second_document() -> None:
    assert read("---\nrun: a\n").run == "a"


def test_merge_keys_give_way_to_what_is_written() -> None:
    task = read("envs:\n  <<: {A: base, B: base}\n  A: own\nrun: a\n")
    assert task.envs == {"A": "own", "B": "base"}


def test_an_alias_is_the_value_it_stands_for() -> None:
    assert read("setup: &s echo hi\nrun: *s\n").run == "echo hi"


_LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 400_000, "nested more than 32 deep"),
        ("{" * 400_000, "nested more than 32 deep"),
        ("- " * 400_000, "nested more than 32 deep"),
        ("? " * 400_000, "nested more than 32 deep"),
        (_LAUGHS, "more than 50000 values once its aliases are expanded"),
        ("x:\n" + "".join(f" k{n}: 1\n" for n in range(70_000)), "more than 50000 values"),
        ("run: '" + "x" * MAX_BYTES + "'", "larger than 1000 kB"),
        ("run: " + "1" * 900_000, "cannot be read as a int"),
        ('"' * 900_000, "not YAML"),
    ],
    ids=["brackets", "braces", "dashes", "questions", "laughs", "keys", "bytes", "digits", "quotes"],
)
def test_bombs_are_refused_quickly(text: str, reason: str) -> None:
    start = time.monotonic()
    assert reason in refusal(text)
    assert time.monotonic() - start < 60.0  # some take tens of milliseconds; unbounded, libyaml takes minutes


@given(st.text(alphabet=string.printable + "é\u2028\ufeff\ud800", max_size=200))
def test_any_text_is_a_task_or_a_refusal(text: str) -> None:
    with contextlib.suppress(SpecError):
        read_documents(text, "t.yaml")
