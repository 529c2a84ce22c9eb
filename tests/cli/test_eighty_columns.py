"""In a terminal of 80 columns, as a person types: nothing is wider, colour is where it is wanted, and no command leaves a traceback."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from tradewind.cli.main import root

from .worlds import World

pytestmark = pytest.mark.end_to_end

COLOUR = re.compile(r"\x1b\[\d+m")
SHOWN = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LOOKS = [
    "status", "status --all", "queue tea", "events tea", "why tea", "jobs queue --all", "jobs status 1", "jobs top", "jobs spend", "events 1",
    "plan examples/digits/train.yaml", "plan --explain examples/digits/train.yaml", "offers --gpu A100:8 --limit 5", "gpus list",
    "accelerators H100", "catalog info", "config", "explain-error InsufficientInstanceCapacity", "api status", "cost-report", "local status",
    "validate --diff examples/digits/train.yaml",
]  # fmt: skip


@pytest.fixture(scope="module")
def desk(world: World) -> Iterator[World]:
    """A cluster with a name that is long, and a managed job that has ended."""
    assert (
        world.run("tradewind launch --infra local -c tea -n a-name-that-is-rather-long-for-a-job -- true").returncode
        == 0
    )
    assert world.run("tradewind jobs launch --cpus 2+ --use-spot --rehearse -n j -- true").returncode == 0
    world.env.pop("NO_COLOR")
    world.env["TERM"] = "xterm-256color"
    yield world
    world.env["NO_COLOR"] = "1"


def lines(shown: str) -> list[str]:
    """What stood on the screen at any time, without colour: progress is written over itself."""
    return [SHOWN.sub("", line) for line in re.split(r"[\r\n]", shown)]


@pytest.mark.parametrize("line", LOOKS)
def test_no_line_is_wider(desk: World, line: str) -> None:
    shown = desk.typed(f"tradewind {line}", "")
    assert "Traceback" not in shown
    assert len(shown) > 10
    assert [text for text in lines(shown) if len(text) > 80] == []


@pytest.mark.parametrize("line", ["doctor", "check", "check local"])
def test_what_looks_at_the_machine_is_as_wide_as_its_longest_path_at_most(desk: World, line: str) -> None:
    shown = desk.typed(f"tradewind {line}", "")
    assert len(shown) > 10
    assert [text for text in lines(shown) if len(text) > 80 and len(text.split()) > 1] == []


def test_no_help_is_wider() -> None:
    def helps(words: str, group: click.Group) -> Iterator[str]:
        with click.Context(group, info_name=words, terminal_width=80) as context:
            yield group.get_help(context)
            for name in group.list_commands(context):
                command = group.get_command(context, name)
                assert command is not None
                if isinstance(command, click.Group):
                    yield from helps(f"{words} {name}", command)
                else:
                    yield command.get_help(click.Context(command, info_name=f"{words} {name}", terminal_width=80))

    pages = list(helps("tradewind", root))
    assert len(pages) > 60
    assert [text for page in pages for text in page.split("\n") if len(text) > 80] == []


def test_colour_is_for_terminals_that_want_it(desk: World) -> None:
    assert COLOUR.search(desk.typed("tradewind events 1", ""))
    for line in ("NO_COLOR=1 tradewind events 1", "TERM=dumb tradewind events 1", "tradewind events 1 | cat"):
        shown = desk.typed(line, "")
        assert "succeeded" in shown
        assert not COLOUR.search(shown)


@pytest.mark.parametrize(
    ("line", "back"),
    [
        ("launch --infra local -c tea -- 'echo up; sleep 60'", "detached; it goes on running. Come back with `tradewind logs tea"),
        ("logs tea", "detached; it goes on running. Come back with `tradewind logs tea"),
        ("jobs launch --infra local -- 'echo up; sleep 60'", "detached; it goes on running. Come back with `tradewind jobs logs 2"),
        ("jobs logs 2", "detached; it goes on running. Come back with `tradewind jobs logs 2"),
    ],
)  # fmt: skip
def test_ctrl_c_detaches(desk: World, line: str, back: str) -> None:
    # a session of its own with this terminal, so that the key becomes a signal
    typed = shlex.quote(f"tradewind {line}; echo code $?")
    shown = desk.typed(f"setsid --ctty --wait bash -c {typed}", "\x03", after="up\r\n", timeout=90)
    assert back in " ".join(shown.split()), shown
    assert "code 130" in shown
    if not line.startswith(("launch", "jobs launch")):  # whose output the next line follows
        desk.run("tradewind cancel tea --all; tradewind jobs cancel --all -y")
