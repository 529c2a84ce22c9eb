"""The example programs run, as a person would run them, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.conftest import environment

PROGRAMS = sorted((Path(__file__).parents[2] / "examples" / "runtime").glob("*.py"))
# An interpreter that has Ray, on which the same programs are tried.
RAY = os.environ.get("TRADEWIND_TEST_RAY", "")
SAYS = {
    "fault_tolerance": "squares [0, 1, 4, 9], connected, counts [1, 2, 3]",
    "map_reduce": "the ",
    "parameter_server": "true [2.0, -3.0]",
    "streaming_pipeline": "160000 numbers",
    "tree_reduction": "bottom up",
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_it_says_what_it_should(program: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(program)], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[program.stem] in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not RAY, reason="TRADEWIND_TEST_RAY names no interpreter that has Ray")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_ray_says_the_same_with_the_import_changed(program: Path, tmp_path: Path) -> None:
    text = program.read_text()
    changed = text.replace("import tradewind.runtime as ray", "import ray")
    assert changed != text
    copy = tmp_path / program.name
    copy.write_text(changed)
    done = subprocess.run(
        [RAY, str(copy)],
        env={**environment(), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert SAYS[program.stem] in done.stdout


def test_all_five_are_here() -> None:
    assert {path.stem for path in PROGRAMS} == set(SAYS)
