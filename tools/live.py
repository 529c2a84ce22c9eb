"""One small machine on a real account, from check to nothing left: `python tools/live.py aws`. Costs cents; refuses to begin where it could cost more.

What is bought is the cheapest machine on demand with a vCPU and a gibibyte, for MINUTES at most. The most that it may cost is its price, and
EXTRAS_USD_H for disk and address, for all of that time: more than LIMIT_USD is refused before anything is bought, and the plan itself is held to a
price that keeps it. The cluster is told to end itself when idle, its lease ends it if this program dies, and at the end the account is asked whether
anything is left. Everything is recorded in a data directory of its own, which is kept where something went wrong.

Exit code 0: it worked, or there are no credentials here (it says so); 1: a step failed; 2: it would cost too much.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT_USD = 1.0
MINUTES = 40.0
EXTRAS_USD_H = 0.02  # a public IPv4 address (0.005 at all three) and 30 GiB of disk (0.003 to 0.006), with room
IDLE_MIN = 10
STEP_S = 900.0
NAME = "tradewind-live"
CLOUDS = ("aws", "azure", "gcp")
TASK = """name: live
resources:
  infra: {cloud}
  cpus: 1+
  memory: 1+
  burstable: true
  max_hourly_cost: {cap:.4f}
setup: touch kept-over-a-stop
run: echo "hello from $(hostname)"; test -e kept-over-a-stop && echo "the disk is the same"
"""


class StepError(Exception):
    """A step did not do what it should; one sentence."""


def most_usd(hourly_usd: float, minutes: float) -> float:
    """The most that a machine of this price may cost in that time."""
    return (hourly_usd + EXTRAS_USD_H) * minutes / 60


def highest_price(minutes: float) -> float:
    """The highest price (USD/hour) whose machine stays within LIMIT_USD for that time."""
    return LIMIT_USD * 60 / minutes - EXTRAS_USD_H


def refusal(hourly_usd: float, minutes: float) -> str:
    """Why a machine of this price is not bought; "" when it may be."""
    cost = most_usd(hourly_usd, minutes)
    if cost <= LIMIT_USD:
        return ""
    return f"the cheapest plan costs {hourly_usd:.4g} USD/h: up to {cost:.2f} USD in {minutes:g} minutes, over the limit of {LIMIT_USD:.2f} USD"


class Journey:
    """The steps, each a command of the command line. `catalog` are the offers to choose from, None the shipped ones."""

    def __init__(self, cloud: str, directory: pathlib.Path, *, minutes: float, catalog: str | None) -> None:
        self.cloud, self.directory, self.minutes = cloud, directory, minutes
        self._flags = ["--catalog", catalog] if catalog else []
        self._environment = {**os.environ, "TRADEWIND_DATA_DIR": str(directory)}
        self._deadline = time.monotonic() + minutes * 60
        self._task = directory / "live.yaml"

    def run(self, *words: str, fails: bool = False, timed: bool = True) -> str:
        """What `tradewind WORDS` prints. Raises StepError: it failed (with `fails` that is fine), or the time is over."""
        left = min(STEP_S, self._deadline - time.monotonic()) if timed else STEP_S
        print(f"$ tradewind {' '.join(words)}", flush=True)
        if left <= 0:
            raise StepError(f"the {self.minutes:g} minutes are over before `tradewind {words[0]}`")
        command = [sys.executable, "-P", "-m", "tradewind.cli", *words]
        try:
            done = subprocess.run(
                command, cwd=self.directory, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=left, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise StepError(f"`tradewind {words[0]}` took more than {left:.0f} s") from error
        said = done.stdout + done.stderr
        print("".join(f"  {line}\n" for line in said.splitlines()), end="", flush=True)
        if done.returncode != 0 and not fails:
            raise StepError(f"`tradewind {' '.join(words)}` ended with exit code {done.returncode}")
        return done.stdout

    def expect(self, text: str, *words: str) -> None:
        """The command prints that text. Raises StepError."""
        if text not in self.run(*words):
            raise StepError(f"`tradewind {' '.join(words)}` did not say {text!r}")

    def why_skipped(self) -> str:
        """Why this cloud cannot be tried here; "" when it can."""
        told = json.loads(self.run("check", self.cloud, "--json", fails=True))[self.cloud]
        if told["why_not"]:
            return str(told["why_not"])
        missing = [one["permission"] or one["why"] for one in told["findings"] if not one["ok"]]
        if not told["works"] and missing:
            raise StepError(f"{self.cloud} does not let us: {'; '.join(missing)}")
        return ""

    def price(self) -> float:
        """USD/hour of the cheapest plan, without any limit on it."""
        self._task.write_text(TASK.format(cloud=self.cloud, cap=1e6))
        return float(json.loads(self.run("plan", str(self._task), "--json", *self._flags))["hourly_usd"])

    def there_and_back(self) -> None:
        """Launched, used, stopped, started, used again. Raises StepError."""
        self._task.write_text(TASK.format(cloud=self.cloud, cap=highest_price(self.minutes)))
        self.expect("hello from", "launch", str(self._task), "-c", NAME, "-y", *self._flags)
        self.run("autostop", NAME, "--idle-minutes", str(IDLE_MIN), "--down")
        self.expect("UP", "status")
        self.expect("tradewind", "ssh", NAME, "id", "-un")
        self.run("stop", NAME, "-y")
        self.expect("STOPPED", "status")
        self.run("start", NAME)
        self.expect("the disk is the same", "exec", NAME, str(self._task))

    def teardown(self) -> None:
        """Nothing is left, by the account's own word. Raises StepError."""
        self.run("down", NAME, "-y", fails=True, timed=False)
        spent = json.loads(self.run("cost-report", "--json", fails=True, timed=False) or "[]")
        listed = self.run("reap", "--dry-run", timed=False)
        if "Nothing is left over." not in listed:
            self.run("reap", "-y", fails=True, timed=False)
            raise StepError("something was left over; `tradewind reap` was told to remove it")
        if any(one["running"] for one in spent):
            raise StepError(f"the record says that something still runs; look at {self.directory}")
        usd = sum(one["usd"] for one in spent)
        print(f"live-{self.cloud}: nothing is left; it cost {usd:.4f} USD for the machine")
        if usd > LIMIT_USD:
            raise StepError(f"it cost {usd:.2f} USD, over the limit of {LIMIT_USD:.2f}")


def travel(journey: Journey) -> int:
    """The exit code of the whole."""
    cloud = f"live-{journey.cloud}"
    if why := journey.why_skipped():
        print(f"{cloud}: skipped: {why}")
        return 0
    if why := refusal(journey.price(), journey.minutes):
        print(f"{cloud}: refused: {why}; nothing was bought")
        return 2
    try:
        journey.there_and_back()
    except BaseException as trouble:
        try:
            journey.teardown()
        except StepError as more:
            raise StepError(f"{trouble or 'interrupted'}; and then {more}") from trouble
        raise
    journey.teardown()
    print(f"{cloud}: works")
    return 0


def main() -> int:
    """Travel, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("cloud", choices=CLOUDS)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="the longest that the machine may live")
    parser.add_argument("--catalog", help="choose from these offers")
    parser.add_argument("--settings", help="a clouds.yaml to go by")
    asked = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="tradewind-live-"))
    if asked.settings:
        shutil.copy(asked.settings, directory / "clouds.yaml")
    journey = Journey(asked.cloud, directory, minutes=asked.minutes, catalog=asked.catalog)
    try:
        code = travel(journey)
    except StepError as failed:
        print(f"live-{asked.cloud}: failed: {failed}; its record is in {directory}")
        return 1
    finally:
        journey.run("api", "stop", fails=True, timed=False)
    shutil.rmtree(directory, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
