"""The runtime beside Ray, newest on PyPI, in a virtual environment of its own: alternating rounds, medians, ratios.

Ray is optional: when it cannot be installed the reason is printed and nothing fails. `--ray-python` names an interpreter that has it.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "tradewind" / "bench-ray"
ROUND_S = 300


def ray_python():
    """An interpreter with Ray, installed when it is not there yet. Raises RuntimeError with the reason why there is none."""
    python = CACHE / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(CACHE)], check=True, capture_output=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "-U", "ray", "numpy"],
            check=True,
            capture_output=True,
            timeout=600,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or b""
        last = (said.decode(errors="replace").strip().splitlines() or [str(error)])[-1]
        raise RuntimeError(f"Ray could not be installed in {CACHE}: {last}") from error
    return str(python)


def one_round(python, engine):
    """The figures of one run, by name."""
    environment = {**os.environ, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DEDUP_LOGS": "0"}
    environment.pop("TRADEWIND_ADDRESS", None)
    done = subprocess.run(
        [python, str(HERE / "runtime_workload.py"), engine],
        capture_output=True, text=True, timeout=ROUND_S, check=False, env=environment,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise RuntimeError(f"{engine} ended with exit code {done.returncode}: {done.stderr.strip()[-500:]}")


def compare(python, rounds):
    """Rows of (measure, Ray, tradewind, how many times better)."""
    results = {"ray": [], "tradewind": []}
    for _ in range(rounds):
        results["ray"].append(one_round(python, "ray"))
        results["tradewind"].append(one_round(sys.executable, "tradewind"))
    rows = []
    for name in results["tradewind"][0]:
        theirs, ours = (statistics.median(one[name] for one in results[engine]) for engine in ("ray", "tradewind"))
        rows.append((name, theirs, ours, theirs / ours if name.endswith(", s") else ours / theirs))
    return rows


def main():
    """Prints the table, or why there is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ray-python", default="", help="an interpreter that has Ray")
    options = parser.parse_args()
    try:
        rows = compare(options.ray_python or ray_python(), options.rounds)
    except RuntimeError as error:
        print(f"not compared: {error}")
        return
    if options.json:
        print(
            json.dumps(
                [dict(zip(("measure", "ray", "tradewind", "times"), row, strict=True)) for row in rows], indent=2
            )
        )
        return
    print(f"{'':40} {'Ray':>12} {'tradewind':>12} {'times':>8}")
    for name, theirs, ours, times in rows:
        print(f"{name:40} {theirs:12,.4g} {ours:12,.4g} {times:8.1f}")


if __name__ == "__main__":
    main()
