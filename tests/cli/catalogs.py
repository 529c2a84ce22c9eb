"""The command line in this process, over a data directory and a cache of the test's own."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tradewind.cli import main


class Ran(NamedTuple):
    """What a command gave back and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.out)


class Line:
    """Runs command lines here, without a process for each."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        """One command line, already split."""
        self._capsys.readouterr()
        code = main.run(list(arguments))
        printed = self._capsys.readouterr()
        return Ran(code, printed.out, printed.err)
