"""Somebody at the command line, with a data directory of their own."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from types import TracebackType
from typing import Self

TRADEWIND = pathlib.Path(sys.executable).parent / "tradewind"


class Person:
    """While open they may use the command line; their daemon is stopped in the end. `settings` is the text of clouds.yaml."""

    def __init__(self, home: pathlib.Path, *, settings: str = "", task: str = "", **environment: str) -> None:
        self.home, self.data = home, home / "data"
        self.data.mkdir(parents=True)
        if settings:
            (self.data / "clouds.yaml").write_text(settings)
        work = home / "work"
        work.mkdir()
        (work / "greeting.txt").write_text("good day from the work directory\n")
        (home / "task.yaml").write_text(f"{task}workdir: {work}\n")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TRADEWIND_DATA_DIR": str(self.data),
            "XDG_CACHE_HOME": str(home / "cache"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_GCE_CHECK": "true",
            **environment,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        stop = [str(TRADEWIND), "api", "stop"]
        subprocess.run(stop, env=self.environment, cwd=self.home, capture_output=True, timeout=60, check=False)

    def says(self, *arguments: str, exit_code: int = 0) -> str:
        """What the command prints."""
        done = subprocess.run(
            [str(TRADEWIND), *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == exit_code, (
            f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.log()}"
        )
        return done.stdout + done.stderr

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in self.data.glob("*.log"))
