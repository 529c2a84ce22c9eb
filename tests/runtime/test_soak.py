from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.runtime.conftest import environment

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "runtime_soak.py"


def test_results_are_right_and_nothing_is_left_while_processes_are_killed_at_random() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--seconds", "12", "--every", "0.6"],
        capture_output=True, text=True, timeout=400, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "all right" in done.stdout
