"""`doctor` finds what is wrong, and says it without failing itself."""

from __future__ import annotations

import pathlib

import pytest

from tradewind.cli import exits, main
from tradewind.sdk import checkup


def by_name() -> dict[str, checkup.Finding]:
    return {finding.what: finding for finding in checkup.findings()}


def test_a_machine_that_is_well(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "data"))
    found = by_name()
    assert {f.what: f.says for f in found.values() if not f.well} == {}
    assert "offers" in found["catalog"].says
    assert "HiGHS" in found["solver"].says
    assert "PID namespace" in found["instances here"].says or "mark" in found["instances here"].says


def test_a_data_directory_that_is_a_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("not a directory")
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "data"))
    assert not by_name()["data directory"].well
    assert main.run(["doctor"]) == exits.FAILED
    shown = capsys.readouterr().out
    assert "PROBLEM  data directory" in shown
    assert "set TRADEWIND_DATA_DIR" in shown


def test_a_full_disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(checkup, "MIN_FREE_GIB", 1e9)
    assert "GiB free" in by_name()["data directory"].says
    assert not by_name()["data directory"].well
