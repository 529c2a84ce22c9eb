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
import time

import floor

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


def one_round_of_each(python):
    """A round on Ray, one on tradewind and the floor's figures, in the same minutes."""
    return {
        "at": time.strftime("%Y-%m-%d %H:%M"),
        "ray": one_round(python, "ray"),
        "tradewind": one_round(sys.executable, "tradewind"),
        "floor": floor.measure(),
    }


def table(rounds):
    """Rows of (measure, Ray, tradewind, how many times better), medians over the rounds."""
    rows = []
    for name in rounds[0]["tradewind"]:
        theirs, ours = (statistics.median(one[engine][name] for one in rounds) for engine in ("ray", "tradewind"))
        less_is_better = name.endswith((", s", ", MiB"))
        rows.append((name, theirs, ours, theirs / ours if less_is_better else ours / theirs))
    return rows


def machine():
    """What the figures were taken on, in a line."""
    with open("/proc/cpuinfo") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown CPU")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} CPUs ({model}), {memory:.0f} GiB, Linux {os.uname().release}, Python {sys.version.split()[0]}"


def markdown(rounds):
    """The table as docs/runtime has it."""
    lines = [
        f"{machine()}; {len(rounds)} alternating rounds, medians; {rounds[0]['at']} to {rounds[-1]['at']}.",
        "",
        "| measure | Ray | tradewind | times better |",
        "|---|---:|---:|---:|",
    ]
    lines += [f"| {name} | {theirs:,.4g} | {ours:,.4g} | {times:.1f} |" for name, theirs, ours, times in table(rounds)]
    lines += ["", "| floor: bare Python that moves the same bytes | |", "|---|---:|"]
    lines += [
        f"| {name} | {statistics.median(one['floor'][name] for one in rounds):,.4g} |" for name in rounds[0]["floor"]
    ]
    return "\n".join(lines)


def main():
    """Runs rounds, keeps them, and prints the table over all that were kept; or says why there is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", default="", metavar="FILE", help="add the rounds to those in this JSON file")
    parser.add_argument("--ray-python", default="", help="an interpreter that has Ray")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    kept = pathlib.Path(options.keep) if options.keep else None
    rounds = json.loads(kept.read_text()) if kept is not None and kept.exists() else []
    try:
        python = (options.ray_python or ray_python()) if options.rounds else ""
        for _ in range(options.rounds):
            rounds.append(one_round_of_each(python))
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(rounds))
    except RuntimeError as error:
        print(f"not compared: {error}")
        return
    if options.markdown:
        print(markdown(rounds))
        return
    print(f"{'':40} {'Ray':>12} {'tradewind':>12} {'times':>8}")
    for name, theirs, ours, times in table(rounds):
        print(f"{name:40} {theirs:12,.4g} {ours:12,.4g} {times:8.1f}")


if __name__ == "__main__":
    main()
