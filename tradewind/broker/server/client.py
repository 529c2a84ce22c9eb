"""The way to the daemon: HTTP over its unix socket, started on first use, replaced when it is of another version.

Standard library only, so that the command line stays quick.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

from tradewind import __version__
from tradewind.broker.server.answer_reader import AnswerReader
from tradewind.broker.server.socket_path import SocketDirectoryError, socket_path

API_VERSION = 2
START_DEADLINE_S = 15.0
GREET_DEADLINE_S = 10.0
PIECE_BYTES = 1 << 16
LEAST_FREE_BYTES = 1 << 20  # below it a daemon cannot even say what is wrong
STOP_DEADLINE_S = 15.0
LOG_NAME = "daemon.log"
START_LOCK = "start.lock"  # held by the command that starts the daemon, while it does
FAILED = "tradewind: "  # how a daemon that cannot serve begins the line that says why
EXIT_BUSY = 75  # sysexits.h EX_TEMPFAIL: another daemon serves the data directory


class DaemonUnreachable(Exception):  # noqa: N818  the name says what is the case
    """No daemon answers, or none could be started; one sentence."""


class ApiError(Exception):
    """The daemon refused a request: `message` is one sentence, `kind` a word that programs branch on, `hint` what to do, `status` HTTP's."""

    def __init__(self, message: str, kind: str, hint: str, status: int) -> None:
        super().__init__(message, kind, hint, status)
        self.message, self.kind, self.hint, self.status = message, kind, hint, status

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class DaemonClient:
    """Requests to one daemon. Every call opens its own connection, so a client may be shared by threads."""

    def __init__(self, path: str, data_dir: str) -> None:
        self._path = path
        self.data_dir = data_dir

    @classmethod
    def connect(cls, data_dir: str, *, start: bool = True) -> DaemonClient:
        """A client of the data directory's daemon, which answers now and is of this version.

        With `start` one is started where none answers, and one of another version is replaced (jobs and instances do not notice).

        Raises:
            DaemonUnreachable: none answers (and none may or could be started).
        """
        try:
            path = socket_path(data_dir)
        except SocketDirectoryError as error:
            raise DaemonUnreachable(str(error)) from error
        client = cls(path, os.path.realpath(data_dir))
        said = client._greet(patient=True)
        if said is not None and start and (said.get("version") != __version__ or said.get("api") != API_VERSION):
            client.stop()
            said = None
        if said is None:
            if not start:
                raise DaemonUnreachable(f"no daemon serves {data_dir}; `tradewind api start` starts one")
            client._start()
        return client

    # -- requests ---------------------------------------------------------------------------------------------------------------------

    def get(self, path: str, timeout_s: float | None = 60.0) -> Any:
        """The JSON answer. Raises ApiError, or DaemonUnreachable."""
        return self._json("GET", path, None, timeout_s)

    def post(self, path: str, body: Any = None, timeout_s: float | None = 300.0) -> Any:
        """The JSON answer. Raises ApiError, or DaemonUnreachable."""
        return self._json("POST", path, {} if body is None else body, timeout_s)

    def stream(self, path: str) -> Iterator[bytes]:
        """The answer's bytes as they come, until it ends. Raises ApiError, or DaemonUnreachable when the daemon goes before its end."""
        try:
            yield from self._answer("GET", path, None, None)
        except OSError as error:
            raise DaemonUnreachable(f"the daemon went away while it answered ({_said(error)})") from error

    def _json(self, method: str, path: str, body: Any, timeout_s: float | None) -> Any:
        try:
            return json.loads(b"".join(self._answer(method, path, body, timeout_s)) or b"null")
        except OSError as error:
            raise DaemonUnreachable(f"no answer from the daemon of {self.data_dir} ({_said(error)})") from error

    def _answer(self, method: str, path: str, body: Any, timeout_s: float | None) -> Iterator[bytes]:
        """The bytes of the answer's body as they come; the connection is closed at the end. Raises ApiError, OSError."""
        data = b"" if body is None else json.dumps(body).encode()
        kind = "" if body is None else "Content-Type: application/json\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: tradewind\r\nConnection: close\r\n{kind}Content-Length: {len(data)}\r\n\r\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(self._path)
            connection.sendall(head.encode("latin-1") + data)
            reader, refused = AnswerReader(), b""
            while not reader.done:
                piece = reader.feed(connection.recv(PIECE_BYTES))
                if reader.status >= 400:
                    refused += piece
                elif piece:
                    yield piece
        if reader.status >= 400:
            raise _refusal(reader, refused)

    # -- the daemon's own life --------------------------------------------------------------------------------------------------------

    def _greet(self, *, patient: bool = False) -> dict[str, Any] | None:
        """What the daemon says of itself; None where nobody listens.

        Raises:
            DaemonUnreachable: `patient`, and one listens and says nothing for GREET_DEADLINE_S: it is stopped, or far too busy.
        """
        try:
            answer = self.get("/v1/hello", timeout_s=GREET_DEADLINE_S)
        except DaemonUnreachable as error:
            if patient and isinstance(error.__cause__, TimeoutError):
                raise self._silent() from error
            return None
        return dict(answer)

    def _silent(self) -> DaemonUnreachable:
        pid = self._listener()
        whom = f"the daemon of {self.data_dir} (process {pid})" if pid else f"the daemon of {self.data_dir}"
        mend = (
            f"`kill -CONT {pid}` wakes a stopped one, `kill -9 {pid}` ends it; jobs and clusters go on"
            if pid
            else "wait"
        )
        return DaemonUnreachable(f"{whom} listens and has not answered for {GREET_DEADLINE_S:.0f} s; {mend}")

    def _listener(self) -> int:
        """The process that listens on the socket; 0 where the system does not say."""
        with contextlib.suppress(OSError, AttributeError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            probe.connect(self._path)
            pid: int = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            return pid
        return 0

    def hello(self) -> dict[str, Any]:
        """Who answers: version, api, pid, data_dir, started_unix. Raises DaemonUnreachable."""
        return dict(self.get("/v1/hello", timeout_s=10.0))

    def stop(self) -> None:
        """The daemon has exited; clusters and jobs go on. Nothing happens where none runs.

        Raises:
            DaemonUnreachable: it did not exit within STOP_DEADLINE_S.
        """
        said = self._greet()
        if said is None:
            return
        with contextlib.suppress(DaemonUnreachable):
            self.post("/v1/shutdown", {"when": "now"}, timeout_s=STOP_DEADLINE_S)
        deadline = time.monotonic() + STOP_DEADLINE_S
        while os.path.exists(f"/proc/{said['pid']}") and self._is_alive(int(said["pid"])):
            if time.monotonic() > deadline:
                raise DaemonUnreachable(f"the daemon {said['pid']} does not stop; end it with `kill -9 {said['pid']}`")
            time.sleep(0.01)

    @staticmethod
    def _is_alive(pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0] not in {"Z", "X"}
        except OSError:
            return False

    def _start(self) -> None:
        """A daemon answers. Of several commands that find none at the same moment one starts it, and the others wait for that."""
        lock = None
        try:
            os.makedirs(self.data_dir, mode=0o700, exist_ok=True)
            lock = os.open(os.path.join(self.data_dir, START_LOCK), os.O_WRONLY | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if lock is not None:
                os.close(lock)
            raise DaemonUnreachable(
                f"{self.data_dir}: the data directory cannot be written ({error.strerror}); set TRADEWIND_DATA_DIR to a writable place"
            ) from error
        try:
            if self._greet(patient=True) is None:
                self._spawn()
        finally:
            os.close(lock)

    def _spawn(self) -> None:
        import subprocess

        try:
            log = os.open(os.path.join(self.data_dir, LOG_NAME), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise DaemonUnreachable(
                f"{self.data_dir}: the data directory cannot be written ({error.strerror}); set TRADEWIND_DATA_DIR to a writable place"
            ) from error
        began = os.lseek(log, 0, os.SEEK_END)
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tradewind.broker.server", "--data-dir", self.data_dir],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(log)
        deadline = time.monotonic() + START_DEADLINE_S
        while self._greet(patient=True) is None:
            code = process.poll()
            if code is not None:
                # One that was started by hand at the same moment holds the directory, and answers soon.
                if code == EXIT_BUSY and time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                raise DaemonUnreachable(f"the daemon did not start: {self._why_not(began, code)}")
            if time.monotonic() > deadline:
                raise DaemonUnreachable(
                    f"the daemon did not answer within {START_DEADLINE_S:.0f} s; see {os.path.join(self.data_dir, LOG_NAME)}"
                )
            time.sleep(0.01)
        # It is nobody's child from here on as far as this process cares; without this Popen warns when it is collected.
        process.returncode = process.poll() or 0

    def _why_not(self, began: int, code: int) -> str:
        """What the daemon that ended with this code said of it, in its log from `began` on."""
        path = os.path.join(self.data_dir, LOG_NAME)
        with contextlib.suppress(OSError):
            with open(path, "rb") as file:
                file.seek(began)
                lines = file.read().decode(errors="replace").splitlines()
            said = [line.removeprefix(FAILED) for line in lines if line.startswith(FAILED)]
            if said:
                return said[-1]
            disk = os.statvfs(self.data_dir)
            if disk.f_bavail * disk.f_frsize < LEAST_FREE_BYTES:
                return f"the disk of {self.data_dir} is full; make room on that disk"
        return f"it ended with exit code {code}; see {path}"


def _refusal(answer: AnswerReader, raw: bytes) -> ApiError:
    try:
        said = json.loads(raw)["error"]
        return ApiError(str(said["message"]), str(said["kind"]), str(said.get("hint", "")), answer.status)
    except (ValueError, KeyError, TypeError):
        return ApiError(f"the daemon answered {answer.status} {answer.reason}", "internal", "", answer.status)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
