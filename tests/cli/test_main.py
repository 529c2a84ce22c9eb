"""The edge of the command line: help, unknown commands, and every error as one sentence with its code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tradewind.cli import exits, main
from tradewind.cli.errors import CliError

HEAVY = {
    "rich",
    "yaml",
    "sqlalchemy",
    "numpy",
    "pulp",
    "highspy",
    "grpc",
    "asyncssh",
    "httpx",
    "starlette",
    "uvicorn",
    "msgspec",
    "asyncio",
    "ssl",
}


def test_every_command_of_the_table_exists_and_says_the_same_of_itself() -> None:
    import click

    context = click.Context(main.root)
    for name, (_, text) in main.TABLE.items():
        command = main.root.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help, f"{name} has no help"
        assert text.endswith("."), text


def test_an_unknown_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plna"]) == exits.BAD_INPUT
    assert capsys.readouterr().err == "tradewind: there is no command `plna`; did you mean `plan`?\n"


def test_a_wrong_option_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", "--hourz", "2", "x.yaml"]) == exits.BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith("tradewind: ")
    assert "--hours" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (CliError("no cluster is called x.", exits.FAILED), exits.FAILED, "no cluster is called x."),
        (KeyboardInterrupt(), exits.INTERRUPTED, ""),
        (ZeroDivisionError("division by zero"), exits.INTERNAL, "this is a defect in tradewind: ZeroDivisionError"),
        (
            FileNotFoundError(2, "No such file or directory", "a.yaml"),
            exits.BAD_INPUT,
            "a.yaml: no such file or directory",
        ),
    ],
)
def test_errors_become_a_sentence_and_a_code(
    error: BaseException, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(main.root, "invoke", fail)
    assert main.run(["status"]) == code
    printed = capsys.readouterr().err
    assert says in printed
    assert "Traceback" not in printed


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setenv("TRADEWIND_DEBUG", "1")
    monkeypatch.setattr(main.root, "invoke", fail)
    with pytest.raises(ZeroDivisionError):
        main.run(["status"])


@pytest.mark.parametrize("module", ["tradewind.cli.main", "tradewind.cli.commands.status", "tradewind"])
def test_start_up_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not HEAVY & {name.split(".")[0] for name in loaded}


def test_version_and_help_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == exits.OK
    assert capsys.readouterr().out.startswith("tradewind ")
    assert main.run([]) == exits.OK
    assert capsys.readouterr().out.startswith("Usage: tradewind")
    assert main.run(["jobs", "--help"]) == exits.OK
    assert "launch" in capsys.readouterr().out


def test_shells_are_answered() -> None:
    env = {**os.environ, main.COMPLETION: "bash_complete", "COMP_WORDS": "tradewind jobs la", "COMP_CWORD": "2"}
    asked = subprocess.run(
        [sys.executable, "-m", "tradewind.cli"], env=env, check=False, capture_output=True, text=True, timeout=30
    )
    assert asked.stdout.strip() == "plain,launch"
