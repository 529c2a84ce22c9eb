"""What the pages about managed jobs print is what runs, and what the spot training example promises is so."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

import pytest

from tests.cli.test_docs import lines_of
from tradewind.cli import exits

from .worlds import ROOT, World

pytestmark = pytest.mark.end_to_end


@pytest.mark.timeout(400)  # the page is long, and each line has its own deadline
def test_every_line_of_the_page_runs_as_printed(world: World) -> None:
    said = ""
    for line in lines_of("docs/jobs.md"):
        ran = world.run(line, timeout=60)
        assert ran.returncode == exits.OK, f"{line}\n{ran.stdout}\n{ran.stderr}"
        said = ran.stdout
    assert said == f"the token is {'*' * len('correct-horse')}\n"


def test_the_python_of_the_page_goes_on_where_it_was(tmp_path: pathlib.Path) -> None:
    (code,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / "checkpoints.md").read_text(), re.MULTILINE | re.DOTALL
    )
    script = tmp_path / "block.py"
    script.write_text(code)
    for _ in range(2):
        ran = subprocess.run(
            [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        assert ran.stdout == "3 3.0\n"


def test_spot_training_resumes_with_the_same_network(tmp_path: pathlib.Path) -> None:
    train = ROOT / "examples" / "spot_training" / "train.py"

    def run(where: str, steps: int) -> str:
        (tmp_path / where).mkdir(exist_ok=True)
        command = [sys.executable, str(train), "--steps", str(steps)]
        done = subprocess.run(command, cwd=tmp_path / where, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    whole = run("whole", 100)
    run("parts", 50)
    resumed = run("parts", 100)
    assert resumed.startswith("goes on from step 50\n")
    assert whole.splitlines()[-1] == resumed.splitlines()[-1]


@pytest.mark.timeout(300)
def test_an_array_of_four_trains_through_a_storm_to_the_right_accuracy_and_a_bill(world: World) -> None:
    """The line of the example's README, in which nobody watches: machines go at moments drawn from recorded holds."""
    (line,) = [one for one in lines_of("examples/spot_training/README.md") if "jobs launch" in one]
    ran = world.run(line.replace(".venv/bin/", "") + " -d", timeout=120)
    assert ran.returncode == exits.OK, ran.stderr
    assert (array := re.search(r"array a(\d+): 4 jobs", ran.stdout)), ran.stdout
    logs = [world.run(f"tradewind jobs logs spot-{index}", timeout=200).stdout for index in range(4)]
    reached = [float(found[1]) for text in logs if (found := re.search(r"accuracy (\d\.\d+)", text))]
    assert len(reached) == 4, logs
    assert min(reached) > 0.9
    listed = json.loads(world.run("tradewind jobs queue --all --expand --json").stdout)
    jobs = [job for job in listed if job["array_id"] == int(array[1])]
    assert [job["state"] for job in jobs] == ["SUCCEEDED"] * 4
    taken = sum(job["recoveries"] for job in jobs)
    assert taken >= 4, "it is a storm"
    assert sum("goes on from step" in text for text in logs) >= 2, "machines were taken, and their trainings went on"
    bill = world.run("tradewind jobs spend --rehearsed")
    assert bill.returncode == exits.OK, bill.stderr
    assert "USD" in bill.stdout
    print(f"accuracies {reached}, {taken} recoveries\n{bill.stdout}")
