"""The line that says what goes on: there after a second, gone at the end, never in a pipe."""

from __future__ import annotations

import io
import threading

import pytest

from tradewind.cli import progress


class Screen(io.StringIO):
    """A terminal that knows when a text has come."""

    def __init__(self, awaited: str = "", *, a_terminal: bool = True) -> None:
        super().__init__()
        self._terminal, self._awaited = a_terminal, awaited
        self.came = threading.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        if self._awaited and self._awaited in self.getvalue():
            self.came.set()
        return count

    def shown(self) -> list[str]:
        """What stands on the screen at the end, line by line."""
        return [line.rpartition("\r\x1b[K")[2] for line in self.getvalue().split("\n")]


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0.01)
    monkeypatch.setattr(progress, "EACH_S", 0.01)
    monkeypatch.setenv("TERM", "xterm")


def test_it_says_what_goes_on_and_leaves_nothing() -> None:
    screen = Screen("planning (")
    with progress.waiting("planning", screen):
        assert screen.came.wait(20)
    assert screen.shown() == [""]


@pytest.mark.parametrize("terminal", [True, False])
def test_pipes_and_dumb_terminals_see_nothing(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    screen = Screen(a_terminal=terminal)
    if terminal:
        monkeypatch.setenv("TERM", "dumb")
    with progress.waiting("planning", screen):
        pass
    assert screen.getvalue() == ""


def test_what_is_done_at_once_needs_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 60.0)
    screen = Screen()
    with progress.waiting("planning", screen):
        pass
    assert screen.getvalue() == ""


def test_other_lines_stand_above_it() -> None:
    screen = Screen("12 MB (")
    line = progress.Line(screen)
    with progress.ticking(line, lambda: "12 MB"):
        assert screen.came.wait(20)
        line.above("  0.1 s  provisioning")
    assert screen.shown() == ["  0.1 s  provisioning", ""]


def test_an_error_within_clears_it_too() -> None:
    screen = Screen("planning (")

    def fails() -> None:
        with progress.waiting("planning", screen):
            assert screen.came.wait(20)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()
    assert screen.shown() == [""]


def test_a_long_text_is_cut_to_the_terminal() -> None:
    screen = Screen()
    progress.Line(screen).show("x" * 500)
    assert len(screen.shown()[0]) < 500


def test_a_search_says_how_far_it_is() -> None:
    screen = Screen("planning: at most 3.1% above the least possible (")
    with progress.searching("planning", screen) as told:
        assert told is not None
        told(float("inf"))
        told(0.5)
        told(0.0312)
        assert screen.came.wait(20)
    assert screen.shown() == [""]
    screen = Screen("planning: nothing found yet (")
    with progress.searching("planning", screen) as told:
        assert told is not None
        told(float("inf"))
        assert screen.came.wait(20)
    with progress.searching("planning", Screen(a_terminal=False)) as told:
        assert told is None
