"""The machine itself, of an instance on this computer: the first process of its PID namespace. A script, not a module.

It stands for a machine with its sshd: it reaps zombies, starts what it is asked to over a unix socket in its directory, keeps the machine's outer
cap, and dies at once when the rehearsed market says so. It knows nothing of tradewind and is run with `python -I -S` to be up in some tens of
milliseconds: standard library only, nothing heavier than `json`.

File descriptor 3 is the lock that the provider took before this process existed; it is held exactly as long as the machine lives.

Each connection carries one request, a line of JSON, and gets lines of JSON back:
  {"op": "start", "argv", "env", "log"}   start detached, output appended to `log`            -> {"pid"}
  {"op": "run", "argv", "env"} + 2 fds     stdout and stderr are the fds passed along          -> {"exit"} at its end; hanging up kills it
  {"op": "watch"}                          nothing more is said: the connection ends with the machine
  {"op": "reclaim", "at_unix", "reason"}   die without a word at that second                   -> {"ok"}
  {"op": "cap", "until_unix"}              the outer end of this machine's life                -> {"ok"}
  {"op": "end", "reason"}                  die now                                             -> {"ok"}
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import sys
import time

LOCK_FD = 3
MAX_REQUEST_BYTES = 16 << 20
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
LEASE_REASON = "its lease ran out"
GONE_REASON = "its directory was removed"


class Connection:
    """A peer, what it has said so far, and the process it waits for."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        self.fds: list[int] = []
        self.pid = 0

    def say(self, **answer: object) -> None:
        try:
            self.sock.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            pass  # the peer hung up; the machine goes on

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        self.sock.close()


class Host:
    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.home = os.path.join(directory, "home")
        self.connections: dict[int, Connection] = {}
        self.poller = select.poll()
        self.reclaim: tuple[float, str] | None = None
        self.cap_unix: float | None = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def serve(self, cap_unix: float | None) -> None:
        """Listen, say so by the file `started`, and answer until the machine ends."""
        os.chdir(self.directory)  # socket paths are limited to 108 bytes; a name is always short enough
        if os.path.exists("host.sock"):
            os.unlink("host.sock")
        mask = os.umask(0o177)
        self.listener.bind("host.sock")
        os.umask(mask)
        self.listener.listen(64)
        self.listener.setblocking(False)
        os.chdir(self.home)
        wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.end("it was told to end by SIGTERM"))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.cap_unix = cap_unix
        self.poller.register(self.listener, select.POLLIN)
        self.poller.register(wake_read, select.POLLIN)
        write_file(os.path.join(self.directory, "started"), str(time.time()))
        while True:
            for fd, _ in self.poller.poll(self.milliseconds_to_deadline()):
                if fd == wake_read:
                    os.read(wake_read, 4096)
                elif fd == self.listener.fileno():
                    self.accept()
                elif fd in self.connections:
                    self.receive(self.connections[fd])
            self.reap()
            self.keep_deadlines()

    def milliseconds_to_deadline(self) -> int:
        """Until the next deadline, at most a minute, so that a clock that was set is noticed."""
        deadlines = [at for at in (self.cap_unix, self.reclaim and self.reclaim[0]) if at is not None]
        return max(0, min(60_000, *(int((at - time.time()) * 1000) + 1 for at in deadlines))) if deadlines else 60_000

    def keep_deadlines(self) -> None:
        now = time.time()
        if self.reclaim is not None and now >= self.reclaim[0]:
            self.end(self.reclaim[1])
        if self.cap_unix is not None and now >= self.cap_unix:
            self.end(LEASE_REASON)
        if not os.path.exists(self.directory):
            self.end(
                GONE_REASON
            )  # looked at once a minute at least: whoever removed the files can no longer end the machine

    def accept(self) -> None:
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if int.from_bytes(credentials[4:8], sys.byteorder) != os.geteuid():
            sock.close()
            return
        sock.setblocking(False)
        self.connections[sock.fileno()] = Connection(sock)
        self.poller.register(sock, select.POLLIN)

    def hang_up(self, connection: Connection) -> None:
        if connection.pid:
            try:
                os.killpg(connection.pid, signal.SIGKILL)  # a command whose caller is gone, as sshd does
            except OSError:
                pass
        self.poller.unregister(connection.sock)
        del self.connections[connection.sock.fileno()]
        connection.close()

    def receive(self, connection: Connection) -> None:
        try:
            data, ancillary, _, _ = connection.sock.recvmsg(65536, socket.CMSG_SPACE(16), socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            self.hang_up(connection)
            return
        for _, kind, payload in ancillary:
            if kind == socket.SCM_RIGHTS:
                connection.fds += [
                    int.from_bytes(payload[i : i + 4], sys.byteorder) for i in range(0, len(payload) // 4 * 4, 4)
                ]
        connection.received += data
        if not data or len(connection.received) > MAX_REQUEST_BYTES:
            self.hang_up(connection)
        elif connection.received.endswith(b"\n"):
            try:
                self.answer(connection, json.loads(connection.received))
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
                connection.say(error=f"{type(error).__name__}: {error}")
            connection.received = b""

    def answer(self, connection: Connection, request: dict[str, object]) -> None:
        op = request["op"]
        if op == "start":
            log = os.open(str(request["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                connection.say(pid=self.spawn(request, log, log))
            finally:
                os.close(log)
        elif op == "run":
            if len(connection.fds) != 2:
                raise ValueError("run takes two file descriptors")
            try:
                connection.pid = self.spawn(request, *connection.fds)
            finally:  # the caller reads until the last end of its pipes is closed
                for fd in connection.fds:
                    os.close(fd)
                connection.fds = []
        elif op == "reclaim":
            self.reclaim = (float(str(request["at_unix"])), str(request["reason"]))
            connection.say(ok=True)
        elif op == "cap":
            self.cap_unix = float(str(request["until_unix"]))
            connection.say(ok=True)
        elif op == "end":
            connection.say(ok=True)
            self.end(str(request["reason"]))
        elif op != "watch":
            raise ValueError(f"unknown op {op!r}")

    def spawn(self, request: dict[str, object], stdout: int, stderr: int) -> int:
        argv, env = request["argv"], request.get("env") or {}
        if not (isinstance(argv, list) and argv and isinstance(env, dict)):
            raise TypeError("argv must be a list and env a mapping")
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.posix_spawnp(
                argv[0],
                argv,
                {**os.environ, **env},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, null, 0),
                    (os.POSIX_SPAWN_DUP2, stdout, 1),
                    (os.POSIX_SPAWN_DUP2, stderr, 2),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP],
            )
        finally:
            os.close(null)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for connection in list(self.connections.values()):
                if connection.pid == pid:
                    connection.pid = 0
                    connection.say(exit=os.waitstatus_to_exitcode(status))
                    self.hang_up(connection)

    def end(self, reason: str) -> None:
        """The machine is off: everything on it dies without being asked, and the file `ended` says why."""
        try:
            write_file(os.path.join(self.directory, "ended"), reason)
        except OSError:
            pass  # a full disk must not keep a machine alive
        if os.getpid() != 1:
            kill_descendants()
        os._exit(0)  # as the first process of a PID namespace: the kernel kills all the others


def kill_descendants() -> None:
    """SIGKILL every process below this one, until there is none: they all hang below it because it is their subreaper."""
    while True:
        parents = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", "rb") as stat:
                        fields = stat.read().rpartition(b")")[2].split()
                except OSError:
                    continue
                if fields[0] not in (b"Z", b"X"):
                    parents[int(name)] = int(fields[1])
        mine, grew = {os.getpid()}, True
        while grew:
            grew = False
            for pid, parent in parents.items():
                if parent in mine and pid not in mine:
                    mine.add(pid)
                    grew = True
        mine.discard(os.getpid())
        if not mine:
            return
        for pid in mine:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


def write_file(path: str, text: str) -> None:
    """Put a whole small file in place at once."""
    with open(path + ".partial", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".partial", path)


def become_subreaper() -> None:
    """Make orphans below this process its children: a PID namespace does that by itself."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def main() -> None:
    os.umask(0o022)  # what a fresh machine has, whatever the daemon's is; the directory above is closed to others
    os.set_inheritable(LOCK_FD, False)
    fcntl.flock(LOCK_FD, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ours already; fails loudly if the wrong file was passed
    if os.getpid() != 1:
        become_subreaper()
    directory, cap_unix = sys.argv[1], float(sys.argv[2])
    os.environ["TRADEWIND_HOST_SOCKET"] = os.path.join(directory, "host.sock")
    Host(directory).serve(cap_unix if cap_unix > 0 else None)


if __name__ == "__main__":
    main()
