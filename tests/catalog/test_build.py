"""The snapshot that ships is what the facts give, on every run."""

from __future__ import annotations

import filecmp
import os
import pathlib
import subprocess
import sys

import pytest

from tradewind.catalog import build
from tradewind.catalog.snapshot import DATA_DIRECTORY, read_file

FACTS = pathlib.Path(__file__).resolve().parents[2] / "data" / "facts"
pytestmark = pytest.mark.skipif(not FACTS.is_dir(), reason="the facts are in the checkout only")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("built")
    environment = os.environ | {"PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    command = [sys.executable, "-m", "tradewind.catalog.build", str(FACTS), str(directory)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert "30 quarantined" in ran.stdout
    return directory


def test_the_shipped_files_are_byte_for_byte_what_the_facts_give(built: pathlib.Path) -> None:
    names = sorted(os.listdir(built))
    assert names == sorted(os.listdir(DATA_DIRECTORY))
    for name in names:  # the tables first: they tell more when they differ
        assert read_file(name, str(built)) == read_file(name), name
    assert filecmp.cmpfiles(built, DATA_DIRECTORY, names, shallow=False)[0] == names


def test_it_is_small(built: pathlib.Path) -> None:
    assert sum(path.stat().st_size for path in built.iterdir()) < 1_000_000


@pytest.mark.parametrize("arguments", [[], ["a"], ["a", "b", "c"]])
def test_wrong_arguments_get_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage:")


def test_missing_facts_are_one_sentence(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main([str(tmp_path / "none"), str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("catalog build: ")
