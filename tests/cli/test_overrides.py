"""Flags over a task file."""

from __future__ import annotations

import json
import pathlib

import pytest

from tradewind.cli import exits, main
from tradewind.cli.overrides import is_file, read


@pytest.fixture
def task_file(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "t.yaml"
    path.write_text("name: t\nresources:\n  cpus: 4+\nenvs:\n  A: '1'\nrun: echo\n")
    return str(path)


def test_a_flag_wins_over_the_file(task_file: str) -> None:
    flags = {"cpus": "8", "use_spot": True, "num_nodes": 3, "envs": {"B": "2"}}
    task = read(task_file, flags)
    assert task.resources[0].cpus is not None
    assert (task.resources[0].cpus.value, task.resources[0].cpus.at_least) == (8, False)
    assert task.resources[0].use_spot
    assert task.num_nodes == 3
    assert task.envs == {"A": "1", "B": "2"}


def test_a_bad_flag_is_named(task_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", task_file, "--cpus", "lots"]) == exits.BAD_INPUT
    assert "--cpus" in capsys.readouterr().err


def test_a_variable_without_a_value_comes_from_here_or_is_refused(
    task_file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    assert main.run(["plan", task_file, "--env", "NOT_SET_HERE"]) == exits.BAD_INPUT
    assert "NOT_SET_HERE has no value" in capsys.readouterr().err


def test_validate_prints_every_verdict(
    task_file: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: t\nresoruces: {}\n")
    assert main.run(["validate", task_file, str(bad)]) == exits.BAD_INPUT
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{task_file}: ok\n")
    assert "cpus: 4+" in captured.out
    assert captured.err == f"tradewind: {bad}:2:1: resoruces: unknown field; did you mean 'resources'?\n"
    assert main.run(["validate", "--json", task_file, str(bad)]) == exits.BAD_INPUT
    verdicts = json.loads(capsys.readouterr().out)
    assert [v["valid"] for v in verdicts] == [True, False]
    assert verdicts[0]["task"]["resources"] == {"cpus": "4+"}


def test_what_is_a_file_and_what_a_command(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task").write_text("run: x\n")
    script = tmp_path / "go.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert [word for word in ("task", "no.yaml", "tasks/train", ".", "t.yml") if not is_file(word)] == []
    assert [word for word in ("./go.sh", "/usr/bin/env", "~/x", "nvidia-smi", "a/b c") if is_file(word)] == []
    assert read(("./go.sh",), {}).run == "./go.sh"
    assert read(("python", "train.py", "--lr=1"), {}).run == "python train.py --lr=1"
    assert read((), {}).run is None
