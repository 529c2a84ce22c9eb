"""Tasks written in Python."""

from __future__ import annotations

import asyncio
import inspect
import pathlib
import pickle

import pytest

import tradewind as tw
from tradewind.spec import load_task, parse_task
from tradewind.spec.built import UNBUILT_FIELDS
from tradewind.spec.fields import RESOURCE_FIELDS, SHARED_RESOURCE_FIELDS, TASK_FIELDS


def test_is_what_the_file_with_the_same_fields_is(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(
        "name: train\nnum_nodes: 2\nenvs: {EPOCHS: '3', FAST: 'True'}\nresources:\n  cpus: 4+\n  memory: 16\n"
        "  accelerators: A100:8\n  use_spot: true\n  infra: aws/us-east-1\nsetup: pip install x\nrun: |\n  python a.py\n  echo done\n"
    )
    resources = tw.Resources(cpus="4+", memory=16, accelerators={"A100": 8}, use_spot=True, infra="aws/us-east-1")
    task = tw.Task(
        "train", num_nodes=2, envs={"EPOCHS": 3, "FAST": True}, resources=resources,
        setup="pip install x", run="python a.py\necho done\n",
    )  # fmt: skip
    assert task.to_dict() == tw.Task.from_yaml(file).to_dict()
    assert (task.name, task.num_nodes) == ("train", 2)


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "1e3",
        "0x10",
        "null",
        "- a",
        "# no comment",
        "a: b",
        "é 😀 \x85 \u2028",
        "tab\there",
        " led ",
        "'\"",
        "\\",
    ],
)
def test_text_stays_the_text_it_is(text: str) -> None:
    task = tw.Task(run=text, envs={"X": text})
    assert task.spec.run == text
    assert task.spec.envs == {"X": text}


def test_a_wrong_field_is_named_without_a_line() -> None:
    with pytest.raises(tw.SpecError, match=r"^tw\.Task: resources\.accelerators") as caught:
        tw.Task(run="x", resources=tw.Resources(accelerators="A100:many"))
    assert caught.value.line == 0
    with pytest.raises(tw.SpecError, match=r"num_nodes"):
        tw.Task(run="x", num_nodes=0)
    with pytest.raises(tw.SpecError, match=r"workdir: .* does not exist"):
        tw.Task(run="x", workdir="not-there")


def test_what_no_file_can_hold_is_refused() -> None:
    with pytest.raises(tw.SpecError, match="holds a value that no task file can"):
        tw.Task(run="x", envs={"A": object()})


def test_alternatives_stand_on_what_stands_beside_them() -> None:
    either = tw.Resources(cpus="4+", any_of=[tw.Resources(infra="aws"), tw.Resources(infra="gcp", use_spot=True)])
    read = parse_task("run: x\nresources: {cpus: 4+, any_of: [{infra: aws}, {infra: gcp, use_spot: true}]}", "f", ".")
    assert tw.Task(run="x", resources=either).spec.resources == read.resources


def test_is_a_value(tmp_path: pathlib.Path) -> None:
    task = tw.Task("a", run="x")
    assert task == tw.Task("a", run="x") != tw.Task("b", run="x")
    assert hash(task) == hash(tw.Task("a", run="x"))
    assert pickle.loads(pickle.dumps(task)) == task
    assert repr(task) == "Task(name='a', run='x')"
    with pytest.raises(AttributeError, match="does not change"):
        task.spec = tw.Task("b", run="y").spec


def test_overrides_are_the_command_lines(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text("run: x\nresources: {cpus: 2}\n")
    overrides = tw.Overrides(cpus="8+", envs={"A": "1"})
    assert tw.Task.from_yaml(file, overrides=overrides).spec == load_task(str(file), overrides=overrides)


def test_plans_buy_nothing_and_ask_no_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "data"))
    plan = tw.plan(tw.Task(run="x", resources=tw.Resources(cpus="4+", use_spot=True)), hours=2)
    assert plan.feasible
    assert plan.placements[0].hours == 2
    assert not (tmp_path / "data").exists()
    nothing = tw.plan(tw.Task(run="x", resources=tw.Resources(accelerators="A100:7")))
    assert not nothing.feasible
    assert nothing.why_infeasible
    assert tw.plan(tw.Task(run="x", resources=tw.Resources(infra="local"))).hourly_usd == 0
    with pytest.raises(tw.PlanError, match="infra"):
        tw.plan(tw.Task(run="x", resources=tw.Resources(infra="aws/nowhere-1")))


def test_offers_are_the_cheapest_first() -> None:
    found = tw.offers(tw.OfferFilter(clouds=("aws",), min_vcpus=64, use_spot=True), limit=5)
    assert len(found) == 5
    assert all(offer.cloud == "aws" and (offer.vcpus or 0) >= 64 for offer in found)
    prices = [offer.price_spot_usd_h or 0.0 for offer in found]
    assert prices == sorted(prices) != [0.0] * 5
    assert asyncio.run(tw.aio.offers(limit=3)) == tw.offers(limit=3)


def test_every_field_of_a_task_file_is_an_argument() -> None:
    spelt_otherwise = {"cloud", "region", "zone", "gpus"}
    assert {*RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS, "any_of", "ordered"} - set(
        tw.Resources.__struct_fields__
    ) <= spelt_otherwise
    missing = set(TASK_FIELDS) - set(inspect.signature(tw.Task.__init__).parameters)
    assert missing <= UNBUILT_FIELDS, "what is built can be said in Python"


def test_what_is_not_built_is_refused_when_it_is_planned() -> None:
    task = tw.Task(run="x", resources=tw.Resources(cpus=4, volumes=[{"path": "/m", "name": "d"}]))
    with pytest.raises(tw.SpecError, match="volumes: .* not there yet"):
        tw.plan(task)


def test_a_repository_as_work_directory() -> None:
    task = tw.Task("t", run="x", workdir={"url": "https://example.org/x.git", "ref": "main"})
    assert task.to_dict()["workdir"] == {"url": "https://example.org/x.git", "ref": "main"}
