"""Every example of docs/optimizer.md gives what the page says."""

from __future__ import annotations

import doctest
import pathlib

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "optimizer.md"


def test_the_page_tells_the_truth(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names: dict[str, object] = {}
    try:
        found = doctest.testfile(
            str(PAGE), module_relative=False, globs=names, optionflags=doctest.NORMALIZE_WHITESPACE
        )
    finally:
        if "catalog" in names:
            names["catalog"].close()
    assert found.attempted > 30
    assert found.failed == 0
