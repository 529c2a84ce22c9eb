"""docs/catalog.md: every command prints what the page shows, and every Python line evaluates to it, in an empty HOME."""

from __future__ import annotations

import doctest
import os
import pathlib
import re
import subprocess

import pytest

from .worlds import BIN, ROOT

pytestmark = pytest.mark.end_to_end

PAGE = (ROOT / "docs" / "catalog.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_command_prints_what_the_page_shows(tmp_path: pathlib.Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRADEWIND_", "XDG_"))}
    env = {**kept, "HOME": str(tmp_path), "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONIOENCODING": "utf-8"}
    blocks = _blocks("console")
    assert len(blocks) > 15
    for block in blocks:
        command, _, shown = block.removeprefix("$ ").partition("\n")
        if "<<'END'" in command:
            command, shown = block.removeprefix("$ "), ""
        ran = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        printed = ran.stdout if ran.returncode == 0 else ran.stderr
        assert printed == shown, f"{command}\n{printed}\n{ran.stderr}"


def test_every_python_line_evaluates_to_what_the_page_shows(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = "\n".join(_blocks("python"))
    assert source.count(">>>") > 5
    test = doctest.DocTestParser().get_doctest(source, {}, "docs/catalog.md", "docs/catalog.md", 0)
    output: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=output.append)
    assert results.failed == 0, "".join(output)
