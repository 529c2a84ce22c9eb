"""Task files and flags as tasks."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from tests.spec.reading import read, refusal
from tradewind.spec import FileMount, Infra, Overrides, Quantity, SpecError, load_task
from tradewind.spec.load import command_task


def test_a_whole_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "data.csv").write_text("1")
    file = tmp_path / "train.yaml"
    file.write_text(
        "name: train-1\nworkdir: $WHERE\nnum_nodes: 2\nenvs: {WHERE: code, N: 3, F: 1.0, T: true, E: 1e3, D: 2001-01-01}\n"
        "setup: pip install x\nrun: |\n  python train.py\nrun_on: head\nfile_mounts:\n  /data/${WHERE}.csv: data.csv\n  ~/x: .\n"
    )
    task = load_task(str(file), base_dir=str(tmp_path))
    assert (task.name, task.num_nodes, task.run_on, task.source) == ("train-1", 2, "head", str(file))
    assert task.workdir == str(tmp_path / "code")
    assert task.envs == {"WHERE": "code", "N": "3", "F": "1.0", "T": "True", "E": "1e3", "D": "2001-01-01"}
    assert task.run == "python train.py\n"
    assert task.file_mounts == (
        FileMount("/data/code.csv", str(tmp_path / "data.csv")),
        FileMount("~/x", str(tmp_path)),
    )


def test_relative_paths_count_from_the_current_directory(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "t.yaml").write_text("workdir: here\n")
    monkeypatch.chdir(tmp_path)
    assert load_task("sub/t.yaml").workdir == str(tmp_path / "here")


def test_null_means_the_default() -> None:
    task = read("name:\nenvs:\nresources:\nsetup:\nrun: a\nfile_mounts:\nworkdir:\nnum_nodes:\nservice:\n")
    assert task == read("run: a\n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ruN: a", "1: ruN: unknown field; did you mean 'run'?"),
        ("cpus: 4", "1: cpus: belongs to resources"),
        (
            "file_mounts_mapping: x",
            "1: file_mounts_mapping: is a note of SkyPilot's to itself, and not like this; remove it",
        ),
        ("execution: serial", "1: execution: belongs to the first of several documents, before the tasks"),
        ("run: [a, b]", "1: run: must be shell text, not a list; write `run: |` and the lines below it"),
        ("run: 5", "1: run: must be text, not a number; quote it"),
        ('run: "a\\0b"', "1: run: holds a NUL character, which no process can be given"),
        ("num_nodes: 0", "1: num_nodes: must be from 1 to 10000"),
        ("num_nodes: 1.5", "1: num_nodes: must be a whole number, not a number"),
        ("num_nodes: true", "1: num_nodes: must be a whole number, not true or false"),
        (f"num_nodes: {10**40}", "1: num_nodes: must be from 1 to 10000"),
        ("run_on: tail", "1: run_on: 'tail' is none of all, head"),
        ("envs: [A]", "1: envs: must be a mapping of names to values, not a list"),
        ("envs: {A: }", "1: envs.A: has no value; write one, or give it with --env A=VALUE"),
        (
            "envs:\n  A-B: 1",
            "2: envs.A-B: is no name for a variable: letters, digits and _ only, not starting with a digit",
        ),
        ("workdir: nowhere", "1: workdir: /nowhere does not exist; relative paths count from /"),
        ("workdir: {ref: x}", "1: workdir: needs `url`"),
        ("workdir: {url: x, reff: y}", "1: workdir.reff: unknown field; did you mean 'ref'?"),
        ("file_mounts: {/a: nowhere}", "1: file_mounts./a: /nowhere does not exist; relative paths count from /"),
        (
            "file_mounts: {../a: /}",
            "1: file_mounts.../a: is no target; a path on the node must not be empty or climb with ..",
        ),
        ("file_mounts: {/a: /, /a/: /}", "1: file_mounts./a/: is the target of two mounts; keep one"),
        ("file_mounts: {/: /}", "1: file_mounts./: would replace a whole directory tree; mount onto a name below it"),
    ],
)
def test_refusals(text: str, sentence: str) -> None:
    assert refusal(text + "\n") == f"t.yaml:{sentence}"


@pytest.mark.parametrize("name", ["../x", "a/b", "-a", ".a", "a b", "", "a" * 64, "a\nb", "é", "a-", "a---b"])
def test_names_that_could_not_be_a_directory_are_refused(name: str) -> None:
    text = name.replace("\n", "\\n")
    assert refusal(f'name: "{text}"\n').startswith("t.yaml:1: name: may hold letters, digits and, at most")


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "A" * 63])
def test_good_names(name: str) -> None:
    assert read(f'name: "{name}"\n').name == name


def test_files_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    def sentence(path: pathlib.Path) -> str:
        with pytest.raises(SpecError) as caught:
            load_task(str(path))
        return str(caught.value).removeprefix(str(path))

    assert sentence(tmp_path / "missing") == ": there is no such file"
    assert sentence(tmp_path) == ": is a directory; name the task file in it"
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"run: a\nname: caf\xe9\n")
    assert sentence(latin) == ":2:10: the byte 0xe9 is not UTF-8; save the file as UTF-8"
    large = tmp_path / "large.yaml"
    large.write_bytes(b"run: " + b"x" * 10_000_000)
    assert sentence(large).startswith(": the file is larger than 1000 kB")
    assert str(pytest.raises(SpecError, load_task, "a\0b").value).endswith("is no path")


def test_a_byte_order_mark_is_no_trouble(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_bytes(b"\xef\xbb\xbfrun: a\r\n")
    assert load_task(str(file)).run == "a"


def test_flags_win_over_the_file() -> None:
    text = "name: a\nresources:\n  cpus: 2\n  cloud: aws\n  region: us-east-1\n  any_of: [{cpus: 4}, {use_spot: true}]\nenvs: {A: 1, B: null}\n"
    task = read(text, name="b", cpus="8+", infra="gcp", num_nodes=3, envs={"B": "x"})
    assert (task.name, task.num_nodes, task.envs) == ("b", 3, {"A": "1", "B": "x"})
    assert [each.cpus for each in task.resources] == [Quantity(8, at_least=True)] * 2
    assert [each.infra for each in task.resources] == [Infra("gcp")] * 2
    assert [each.use_spot for each in task.resources] == [False, True]


def test_the_flag_none_clears_a_field() -> None:
    assert read("resources: {accelerators: A100}\n", accelerators="none").resources[0].accelerators == ()
    assert read("resources: {gpus: A100}\n", accelerators="T4:2").resources[0].accelerators[0].name == "T4"


def test_an_error_in_a_flag_names_the_flag() -> None:
    assert refusal("run: a\n", cpus="four") == "--cpus: resources.cpus: 'four' is no number of vCPUs; write 4 or 4+"
    assert refusal("run: a\n", envs={"A B": "x"}).startswith("--env A B: envs.A B: is no name")


def test_a_command_without_a_file() -> None:
    task = command_task("echo none", overrides=Overrides(cpus="4+", name="x"))
    assert (task.run, task.name, task.source, task.resources[0].cpus) == (
        "echo none",
        "x",
        None,
        Quantity(4, at_least=True),
    )
    assert str(pytest.raises(SpecError, command_task, " ").value) == "the command: there is no command to run"


def test_importing_the_room_loads_no_yaml() -> None:
    code = "import sys, tradewind.spec; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=os.sep).returncode == 0
