"""Arrays, pauses, retries, secrets and spending through the real command line."""

from __future__ import annotations

import json
import time

import pytest

from tradewind.cli import daemon, exits, main
from tradewind.cli.errors import CliError

from .worlds import World

pytestmark = pytest.mark.end_to_end

SWEEP = (
    "name: sweep\nresources: {cpus: 2+, use_spot: true}\nsecrets: {TOKEN: null}\n"
    "run: echo lr $lr of $TRADEWIND_ARRAY_SIZE with $TOKEN; test $lr != 0.3\n"
)
SLOW = "name: slow\nresources: {cpus: 2+, use_spot: true}\nrun: sleep 300\n"
TOKEN = "a-well-kept-secret"


@pytest.fixture(scope="module")
def swept(world: World) -> World:
    (world.work / "sweep.yaml").write_text(SWEEP)
    (world.work / "slow.yaml").write_text(SLOW)
    world.env["TOKEN"] = TOKEN
    ran = world.run("tradewind jobs launch sweep.yaml --rehearse --array lr=0.1,0.2,0.3 --max-active 2")
    assert ran.returncode == exits.FAILED, "one of them fails"
    assert "array a1: 3 jobs accepted" in ran.stdout
    assert ran.stderr.rstrip().endswith("a1: 1 FAILED, 2 SUCCEEDED")
    return world


def test_an_array_is_one_line_and_every_job_on_request(swept: World) -> None:
    assert "3/3  1 FAILED, 2 SUCCEEDED" in swept.run("tradewind jobs queue --all").stdout
    expanded = swept.run("tradewind jobs queue --all --expand").stdout
    assert all(f"sweep-{index}" in expanded for index in range(3))
    view = json.loads(swept.run("tradewind jobs status a1 --json").stdout)
    assert [job["state"] for job in view["jobs"]] == ["SUCCEEDED", "SUCCEEDED", "FAILED"]
    failed = json.loads(swept.run("tradewind jobs queue --state failed --json").stdout)
    assert [job["name"] for job in failed] == ["sweep-2"]


def test_a_secret_is_nowhere(swept: World) -> None:
    assert swept.run("tradewind jobs logs sweep-1 -F").stdout == f"lr 0.2 of 3 with {'*' * len(TOKEN)}\n"
    assert swept.run("tradewind jobs logs sweep-1 --grep nothing").returncode == exits.FAILED
    held = [p for p in swept.data_dir.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]
    assert held == []
    del swept.env["TOKEN"]
    ran = swept.run("tradewind jobs launch sweep.yaml --rehearse")
    swept.env["TOKEN"] = TOKEN
    assert (ran.returncode, "TOKEN is not set here" in ran.stderr) == (exits.BAD_INPUT, True)


def test_failed_ones_are_tried_again_as_one(swept: World) -> None:
    said = swept.run("tradewind jobs retry a1").stdout
    assert said == "array a1: retry for 1 jobs; 2 are in a state that does not allow it.\n"
    refused = swept.run("tradewind jobs retry sweep-0")
    assert refused.returncode == exits.FAILED
    assert "is SUCCEEDED already; only a job that failed or was cancelled can be tried again" in refused.stderr


def test_pause_resume_and_cancel_all(swept: World) -> None:
    assert swept.run("tradewind jobs launch slow.yaml --rehearse -d --budget 5 --priority 3").returncode == exits.OK
    assert swept.run("tradewind jobs pause slow").returncode == exits.OK
    deadline = time.monotonic() + 30
    while (row := json.loads(swept.run("tradewind jobs status slow --json").stdout))["state"] != "PAUSED":
        assert time.monotonic() < deadline, row["state"]
    assert (row["budget_usd"], row["priority"], row["waiting_for"]) == (5.0, 3, "`tradewind jobs resume`")
    assert swept.run("tradewind jobs resume --all").returncode == exits.OK
    assert swept.run("tradewind jobs cancel").returncode == exits.BAD_INPUT
    assert swept.run("tradewind jobs cancel --all -y").returncode == exits.OK
    assert "limits" in swept.run("tradewind jobs top").stdout


def test_spending_is_exact_and_grouped(swept: World) -> None:
    report = json.loads(swept.run("tradewind jobs spend --by cloud --rehearsed --json").stdout)
    assert report["usd"] == pytest.approx(sum(line["usd"] for line in report["lines"]))
    assert report["on_demand_usd"] > report["usd"] > 0
    assert "less than on demand" in swept.run("tradewind jobs spend --rehearsed").stdout


def test_a_job_that_ends_meanwhile_does_not_keep_the_others_from_their_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Between:
        """The daemon as it is when a job comes to its end between the list and the order."""

        def get(self, path: str) -> list[dict[str, object]]:
            return [{"id": number, "name": "n", "state": "RUNNING"} for number in (1, 2)]

        def post(self, path: str) -> None:
            if path == "/v1/jobs/1/cancel":
                raise CliError("managed job 1 is FAILED already; there is nothing to cancel")

    monkeypatch.setattr(daemon, "reach", lambda **_: Between())
    assert main.run(["jobs", "cancel", "--all", "-y"]) == exits.OK
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "managed job 1 is FAILED already; there is nothing to cancel"
    assert told[1].startswith("managed job 2: cancelling")
