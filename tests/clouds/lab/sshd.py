"""A real sshd as an ordinary process on 127.0.0.x: the login user is whoever runs the tests, with another HOME."""

from __future__ import annotations

import contextlib
import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tradewind.broker.provision.ssh_keys import KeyPair
from tradewind.broker.provision.ssh_transport import Endpoint

SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if os.path.exists("/usr/sbin/sshd") else "")
needs_sshd = pytest.mark.skipif(not SSHD, reason="no sshd here: apt-get install openssh-server")
START_S = 10.0


class Sshd:
    """One running sshd with one authorized key."""

    def __init__(
        self, directory: pathlib.Path, host_key: KeyPair, authorized: str, *, address: str = "127.0.0.1"
    ) -> None:
        self.directory, self.host_key, self.address = directory, host_key, address
        self.home = directory / "home"
        self.port = _free_port(address)
        directory.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        (directory / "authorized_keys").write_text(authorized + "\n")
        key = directory / "host_key"
        key.write_text(host_key.private)
        key.chmod(0o600)
        (directory / "sshd_config").write_text(
            f"ListenAddress {address}:{self.port}\nHostKey {key}\nAuthorizedKeysFile {directory}/authorized_keys\n"
            f"PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
            f"SetEnv HOME={self.home}\nMaxStartups 100\nMaxSessions 100\nLoginGraceTime 20\nLogLevel ERROR\n"
            "Subsystem sftp internal-sftp\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        log = open(self.directory / "log", "ab")  # noqa: SIM115  handed to the process
        with log:
            self.process = subprocess.Popen(
                # it ends with the tests, also when they are cut off
                [
                    *(["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []),
                    SSHD,
                    "-D",
                    "-e",
                    "-f",
                    str(self.directory / "sshd_config"),
                ],
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), timeout=1):
                return
            if time.monotonic() > deadline or self.process.poll() is not None:
                pytest.fail(f"sshd did not start: {(self.directory / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """The listener and all its sessions are gone."""
        if self.process is None:
            return
        tree = descendants(self.process.pid)
        for pid in (self.process.pid, *tree):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def freeze(self, *, frozen: bool = True) -> None:
        """The machine's programs do nothing any more, as when it is busy to the brim, or (`frozen` False) go on; connections stay open."""
        assert self.process is not None
        for pid in (self.process.pid, *descendants(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def endpoint(self, *host_keys: str) -> Endpoint:
        return Endpoint(
            host=self.address,
            port=self.port,
            user=getpass.getuser(),
            host_keys=host_keys or (self.host_key.public,),
            cloud="lab",
        )


def descendants(pid: int) -> list[int]:
    """Every living process below `pid`."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
                children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


@contextlib.contextmanager
def running_sshd(
    directory: pathlib.Path, host_key: KeyPair, authorized: str, *, address: str = "127.0.0.1"
) -> Iterator[Sshd]:
    server = Sshd(directory, host_key, authorized, address=address)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
