"""Several documents in one file: chains and groups."""

from __future__ import annotations

import pytest
import yaml

from tests.spec.reading import refusal, without_column
from tradewind.spec import Overrides, SpecError, Workload, normal_forms, parse_workload
from tradewind.spec.workload import Header

CHAIN = "name: two\n---\nrun: a\n---\nname: b\nrun: c\n"
GROUP = "name: g\nexecution: parallel\nprimary_tasks: [a]\ntermination_delay: {b: 30s}\n---\nname: a\n---\nname: b\n"


def load(text: str, **flags: object) -> Workload:
    return parse_workload(text, "t.yaml", "/", overrides=Overrides(**flags))  # type: ignore[arg-type]


def broken(text: str, **flags: object) -> str:
    with pytest.raises(SpecError) as caught:
        load(text, **flags)
    return str(caught.value)


def test_a_chain() -> None:
    workload = load(CHAIN)
    assert workload.header == Header(name="two")
    assert [(task.name, task.run) for task in workload.tasks] == [(None, "a"), ("b", "c")]
    assert not workload.is_single


def test_a_chain_needs_no_header() -> None:
    workload = load("name: a\nrun: x\n---\nrun: y\n")
    assert (workload.header, len(workload.tasks)) == (Header(), 2)


DIAMOND = "name: a\nrun: x\n---\nname: b\ndepends_on: a\n---\nname: c\ndepends_on: [a]\n---\ndepends_on: [b, c, b]\n"


def test_who_waits_for_whom() -> None:
    assert load("run: x\n---\nrun: y\n---\nrun: z\n").edges == ((0, 1), (1, 2))
    assert load(GROUP).edges == ()
    assert load(DIAMOND).edges == ((0, 1), (0, 2), (1, 3), (2, 3))
    assert load("run: x\n").edges == ()


def test_a_group() -> None:
    header = load(GROUP).header
    assert header == Header("g", "parallel", ("a",), {"b": "30s"})


@pytest.mark.parametrize("text", ["name: x\n", "---\nname: x\n---\n", "name: x\n---\n# nothing\n"])
def test_one_document_is_a_task(text: str) -> None:
    workload = load(text)
    assert workload.is_single
    assert workload.tasks[0].name == "x"


@pytest.mark.parametrize("text", [CHAIN, GROUP, DIAMOND, "run: x\n---\nrun: y\n"])
def test_the_normal_form_reads_back(text: str) -> None:
    workload = load(text)
    assert load(yaml.safe_dump_all(normal_forms(workload), sort_keys=False)) == workload


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: a\nexecution: both\n---\nrun: x\n", "t.yaml:2: header.execution: 'both' is none of parallel, serial"),
        (GROUP + "---\nrun: x\n", "t.yaml:10: name: each task of a group needs one"),
        (GROUP + "---\nname: b\n", "t.yaml:10: name: 'b' is another task's name in this group"),
        (GROUP.replace("[a]", "[c]"), "t.yaml:3: header.primary_tasks: no task is called 'c'"),
        ("name: a\nprimary_tasks: a\n---\nname: a\n---\nname: b\n", "t.yaml:2: primary_tasks: belongs to the first of several documents, before the tasks"),
        ("run: a\n---\ndepends_on: b\n", "t.yaml:3: depends_on: no task of this file is called 'b'"),
        ("name: prep\nrun: x\n---\ndepends_on: perp\n", "t.yaml:4: depends_on: no task of this file is called 'perp'; did you mean 'prep'?"),
        ("name: a\nrun: x\n---\nname: a\n---\ndepends_on: a\n", "t.yaml:6: depends_on: 'a' is the name of 2 tasks; give each its own"),
        ("name: a\ndepends_on: b\n---\nname: b\ndepends_on: a\n", "t.yaml:2: depends_on: the tasks wait for each other: a -> b -> a"),
        ("name: a\ndepends_on: a\n---\nname: b\n", "t.yaml:2: depends_on: the tasks wait for each other: a -> a"),
        ("run: a\n---\nruN: b\n", "t.yaml:3: ruN: unknown field; did you mean 'run'?"),
        ("run: a\n---\n- b\n", "t.yaml:3: a task file is a mapping of fields, such as `run: echo hello`"),
        ("a: &x 1\n---\nrun: *x\n", "t.yaml:3: the alias *x has no finished &x before it"),
    ],
)  # fmt: skip
def test_refusals(text: str, sentence: str) -> None:
    assert without_column(broken(text)) == sentence


def test_flags_change_one_task_only() -> None:
    assert broken(CHAIN, cpus="4") == "t.yaml: the file holds 2 tasks, and flags change one task only"
    assert load("name: x\n---\nrun: a\n", cpus="4").tasks[0].resources[0].cpus is not None


def test_several_are_refused_where_one_is_launched() -> None:
    assert refusal(GROUP) == (
        "t.yaml:8: the file holds a job group of 2 tasks, and this takes one; `tradewind jobs launch` runs them all"
    )
