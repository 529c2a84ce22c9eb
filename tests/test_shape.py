"""The project's own rules of shape, checked: sizes of files and functions, names, and what may not stand in a file."""

from __future__ import annotations

import ast
import pathlib
import re
import statistics
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = sorted(p for p in (ROOT / "tradewind").rglob("*.py") if "_pb2" not in p.name)
MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 80
BARRED_NAMES = {"utils", "util_functions", "helpers", "common", "manager", "misc"}
# Written in pieces so that this file does not hold what it looks for. Homes of the users that clouds' images make are the product's business.
MACHINE_PATHS = re.compile(
    r"(?<![\w.~$}])/(?:wo" r"rk|ho" r"me/(?!tradewind|ubuntu|azureuser)[a-z]|ro" r"ot/\.)[\w./-]*"
)


def _tracked() -> list[pathlib.Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout: the list of tracked files is not to be had")
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name]


def test_every_test_file_is_a_module_of_its_own_name() -> None:
    """Two of one name are two errors of the whole run, though each runs alone."""
    modules: dict[str, pathlib.Path] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        name, folder = path.stem, path.parent
        while (folder / "__init__.py").is_file():
            name, folder = f"{folder.name}.{name}", folder.parent
        assert modules.setdefault(name, path) == path


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_one_concept_a_file(path: pathlib.Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES
    assert path.stem not in BARRED_NAMES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


def test_sizes_as_a_whole() -> None:
    sizes = sorted(p.read_text().count("\n") for p in SOURCES if p.name != "__init__.py")
    assert statistics.median(sizes) <= 250
    assert sizes[int(len(sizes) * 0.9)] <= 500


def test_no_path_of_one_machine() -> None:
    found = []
    for path in _tracked():
        if path.suffix in {".gz", ".xz", ".csv", ".png"} or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if match := MACHINE_PATHS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match.group()}")
    assert not found, "\n".join(found)
