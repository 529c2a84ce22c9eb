"""The normal form and the wire form give the task back."""

from __future__ import annotations

import json

import msgspec
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tradewind.spec import (
    AcceleratorRequest,
    Infra,
    Quantity,
    Resources,
    Task,
    normal_form,
    parse_task,
    task_from_dict,
    task_to_dict,
)

_amounts = st.floats(0.25, 4096).map(lambda value: round(value, 2))
_words = st.from_regex(r"[a-z][a-z0-9]{0,4}(-[a-z0-9]{1,3})?", fullmatch=True).filter(
    lambda word: word not in {"k8s", "ssh", "slurm", "kubernetes", "true", "no", "yes", "on", "off", "null"}
)
_quantities = st.builds(Quantity, _amounts, at_least=st.booleans())
_memories = _quantities | st.builds(Quantity, _amounts, at_least=st.just(value=True), per_vcpu=st.just(value=True))
_accelerators = st.lists(
    st.builds(AcceleratorRequest, st.sampled_from(["A100", "H100", "T4"]), st.sampled_from([0.5, 1.0, 8.0])),
    max_size=3,
    unique=True,
).map(tuple)
_resources = st.builds(
    Resources,
    infra=st.builds(
        Infra, st.none() | st.sampled_from(["aws", "gcp", "local"]), st.none() | _words, st.none() | _words
    ),
    cpus=st.none() | _quantities,
    memory=st.none() | _memories,
    accelerators=_accelerators,
    instance_type=st.none() | _words,
    use_spot=st.booleans(),
    arch=st.sampled_from([None, "x86_64", "arm64", "any"]),
    burstable=st.booleans(),
    max_hourly_cost=st.none() | st.floats(0.01, 100),
)
_printable = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f\x85\xa0"), min_size=1, max_size=20
)
_tasks = st.builds(
    Task,
    name=st.none() | _words,
    num_nodes=st.integers(1, 50),
    resources=st.tuples(_resources)
    | st.lists(_resources.filter(lambda each: len(each.accelerators) < 2), min_size=2, max_size=3).map(tuple),
    envs=st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,6}", fullmatch=True), _printable, max_size=3),
    setup=st.none() | _printable,
    run=st.none() | _printable,
    run_on=st.sampled_from(["all", "head"]),
)


@given(_tasks)
def test_the_normal_form_reads_back_as_the_same_task(task: Task) -> None:
    form = normal_form(task)
    if not form:
        form = {"run": None, "num_nodes": 1}
    again = parse_task(yaml.safe_dump(form, allow_unicode=True, sort_keys=False), "t.yaml", "/")
    assert msgspec.structs.replace(again, source=None) == task


@given(_tasks)
def test_the_wire_form_gives_the_task_back(task: Task) -> None:
    assert task_from_dict(json.loads(json.dumps(task_to_dict(task)))) == task
