"""A shell on the machine of the person to whom an estate belongs: the installed command line, with their logins."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pty
import signal
import subprocess
import sys

from clouds.estate import Estate

DEADLINE_S = 90.0


def purchases(estate: Estate) -> int:
    """How many machines were asked for, at all clouds; what a check only tries does not count."""
    wanted = ("compute.instances.insert", "Microsoft.Compute/virtualMachines/write")
    calls = [name for world in (estate.gcp, estate.azure) for name in world.calls()]
    return len(estate.aws.account.launches) + sum(name in wanted for name in calls)


class Shell:
    """Commands are typed in `directory`, where the person's files are."""

    def __init__(self, estate: Estate, directory: pathlib.Path, **environment: str) -> None:
        self.directory = directory
        self.environment = {
            **os.environ,
            **estate.environment(),
            "TRADEWIND_DATA_DIR": estate.data_dir,
            "COLUMNS": "400",
            **environment,
        }

    def types(self, *words: str, exit_code: int = 0) -> str:
        """What the command prints, on both streams."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tradewind.cli", *words],
            cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, check=False, timeout=DEADLINE_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == exit_code, f"tradewind {' '.join(words)}: {done.returncode}\n{done.stdout}"
        assert "Traceback" not in done.stdout
        return done.stdout

    def starts(self, *words: str) -> Running:
        """The command, running at a terminal of its own."""
        return Running(words, self.directory, self.environment)


class Running:
    """A command at a terminal, as it is while somebody looks at it."""

    def __init__(self, words: tuple[str, ...], directory: pathlib.Path, environment: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self._said = bytearray()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tradewind.cli", *words],
            cwd=directory, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def until(self, text: str) -> None:
        """It has said that."""
        while text not in self._said.decode(errors="replace"):
            assert self._read(), f"it ended and never said {text!r}: {self._said.decode(errors='replace')}"

    def answers(self, text: str) -> None:
        """A line is typed."""
        os.write(self._master, f"{text}\n".encode())

    def connections(self) -> set[str]:
        """The sockets that it has open now: each question to the daemon goes over one of its own."""
        opened = f"/proc/{self.process.pid}/fd"
        found = set()
        for name in os.listdir(opened):
            with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
                found.add(os.readlink(f"{opened}/{name}"))
        return {target for target in found if target.startswith("socket:")}

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C: the exit code, and the sentence with which it ended."""
        self.process.send_signal(signal.SIGINT)
        code, said = self.ends()
        return code, said.strip().splitlines()[-1].removeprefix("tradewind: ")

    def ends(self) -> tuple[int, str]:
        """The exit code once it has ended, and all it has said."""
        while self._read():
            pass
        os.close(self._master)
        said = self._said.decode(errors="replace")
        assert "Traceback" not in said
        return self.process.wait(timeout=DEADLINE_S), said

    def _read(self) -> bool:
        """Whether it said more; False once it has ended."""
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # so Linux tells that the last program at the terminal is gone
            return False
        self._said += chunk
        return bool(chunk)
