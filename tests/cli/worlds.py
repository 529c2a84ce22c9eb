"""A private world for the real command line: an empty HOME, a data directory, the examples made small; its daemon is stopped at the end."""

from __future__ import annotations

import os
import pathlib
import select
import shutil
import subprocess
import sys
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent


class World:
    """Runs command lines as a person would, in an empty directory with the examples beside them."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        self.work = directory / "work"
        self.work.mkdir()
        shutil.copytree(ROOT / "examples", self.work / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        train = self.work / "examples" / "digits" / "train.yaml"
        train.write_text(train.read_text().replace("python train.py", "python train.py --steps 40 --target 0"))
        home = directory / "home"
        home.mkdir()
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("TRADEWIND_", "AWS_", "GOOGLE_"))
        }
        self.env = {
            **kept,
            "HOME": str(home),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "TRADEWIND_DATA_DIR": str(self.data_dir),
            "NO_COLOR": "1",
        }

    @property
    def executable(self) -> str:
        """The installed command."""
        return str(BIN / "tradewind")

    def run(self, line: str, *, timeout: float = 60, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """One shell line to its end."""
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.work, env=self.env, input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def typed(self, line: str, keys: str, *, after: str = "", timeout: float = 30) -> str:
        """What a terminal of 80 columns shows when a person types `keys` at the command, once it shows `after`."""
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        with subprocess.Popen(
            ["bash", "-c", line], cwd=self.work, env=self.env, stdin=theirs, stdout=theirs, stderr=theirs
        ):
            os.close(theirs)
            shown, waiting = b"", True
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                if waiting and after.encode() in shown:
                    os.write(ours, keys.encode())
                    waiting = False
                if not select.select([ours], [], [], 1.0)[0]:
                    continue
                try:
                    shown += os.read(ours, 4096)
                except OSError:  # the other end is closed: the command has ended
                    break
            else:
                os.write(ours, b"\x03")  # it must not outlive its test
        os.close(ours)
        return shown.decode(errors="replace").replace("\r\n", "\n")

    def close(self) -> None:
        """End every cluster, the daemon, and check that nothing of it goes on."""
        self.run("tradewind down --all -y", timeout=60)
        stopped = self.run("tradewind api stop", timeout=30)
        assert stopped.returncode == 0, stopped.stderr
