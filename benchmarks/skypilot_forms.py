"""SkyPilot's verdict on every form in `tests/spec/tasks/*_forms.txt`, beside the one that is written there (which `tests/spec/test_forms.py` holds ours to).

`--python` names an interpreter that has SkyPilot; `--install` makes one. Prints each difference and ends with 1 if there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from benchmarks.optimizer_peer import VERSION, interpreter

ROOT = pathlib.Path(__file__).resolve().parents[1]
TASKS = ROOT / "tests" / "spec" / "tasks"

# Runs under SkyPilot's interpreter, where no cloud answers: texts as JSON in, for each "" or why it is refused out.
SIDE = """
import contextlib, io, json, os, sys
import sky
from sky import check, clouds
from sky.utils import dag_utils
check.get_cached_enabled_clouds_or_refresh = lambda *_args, **_kwargs: [clouds.AWS(), clouds.GCP(), clouds.Azure()]
texts, path = json.load(sys.stdin), os.path.join(os.environ["HOME"], "task.yaml")
os.chdir("/")
found = []
for text in texts:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            dag_utils.load_dag_from_yaml(path)
            found.append("")
        except Exception as error:
            found.append(type(error).__name__ + ": " + str(error)[:200])
print("ROWS" + json.dumps(found))
"""


def forms(name: str) -> list[str]:
    """The forms in the file, one a line as JSON strings."""
    return [json.loads(line) for line in (TASKS / name).read_text().splitlines()]


def verdicts(python: str, texts: list[str]) -> list[str]:
    """For each text "" where SkyPilot reads it, or why it does not."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "HOME": home, "PYTHONWARNINGS": "ignore", "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
        ran = subprocess.run(
            [python, "-c", SIDE],
            input=json.dumps(texts),
            check=True,
            capture_output=True,
            text=True,
            env=env,
            timeout=1800,
        )
    (row,) = [line for line in ran.stdout.splitlines() if line.startswith("ROWS")]
    found: list[str] = json.loads(row.removeprefix("ROWS"))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--python", help="an interpreter that has SkyPilot")
    options = parser.parse_args()
    python, why = interpreter(options.python, install=options.install)
    if why:
        print(f"SkyPilot is not beside us: {why}", file=sys.stderr)
        return 0
    accepted, refused = forms("accepted_forms.txt"), forms("refused_forms.txt")
    said = dict(zip([*accepted, *refused], verdicts(python, [*accepted, *refused]), strict=True))
    other = [f"{text!r}: SkyPilot refuses: {said[text]}" for text in accepted if said[text]]
    other += [f"{text!r}: SkyPilot reads it" for text in refused if not said[text]]
    print("\n".join([*other, f"{len(said):,} forms, {len(other)} differ from SkyPilot {VERSION}"]))
    return 1 if other else 0


if __name__ == "__main__":
    raise SystemExit(main())
