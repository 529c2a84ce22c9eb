"""The template: a warm, single-threaded interpreter that forks workers in milliseconds and tells how each of them ended.

It runs under the job's interpreter and holds no thread and no gRPC, so forking it is safe. It and its workers die with their parent.
"""

from __future__ import annotations

import array
import os
import select
import signal
import socket
import sys
from typing import Any

import msgspec

_PR_SET_PDEATHSIG = 1
_libc: Any = None


class ForkRequest(msgspec.Struct, frozen=True, array_like=True):
    """Comes with three descriptors: the worker's control socket, its standard output and its standard error."""

    number: int
    by_value: bool
    main: str = ""
    sys_path: list[str] = []
    cwd: str = ""
    env: dict[str, str] = {}


class Event(msgspec.Struct, frozen=True, array_like=True):
    """kind "forked" or "ended" (status as os.waitpid gives it)."""

    kind: str
    number: int
    pid: int
    status: int = 0


def die_with(parent: int) -> None:
    """This process gets SIGKILL when its parent's thread ends; it ends at once if that has happened already."""
    global _libc  # noqa: PLW0603  one of it a process
    if _libc is None:
        import ctypes

        _libc = ctypes.CDLL(None, use_errno=True)
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def serve(control: socket.socket, parent: int) -> None:
    """Forks workers until the node daemon closes control. In a child, returns never."""
    die_with(parent)
    _preload()
    children: dict[int, tuple[int, int]] = {}  # pidfd -> (pid, number)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    decoder = msgspec.msgpack.Decoder(ForkRequest)
    encoder = msgspec.msgpack.Encoder()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        for fd, _ in poll.poll():
            if fd != control.fileno():
                pid, number = children.pop(fd)
                poll.unregister(fd)
                os.close(fd)
                control.send(encoder.encode(Event("ended", number, pid, os.waitpid(pid, 0)[1])))
                continue
            data, ancillary, _, _ = control.recvmsg(1 << 16, socket.CMSG_SPACE(3 * 4), socket.MSG_CMSG_CLOEXEC)
            if not data:
                return
            fds = array.array("i")
            for _, _, payload in ancillary:
                fds.frombytes(payload)
            request = decoder.decode(data)
            me = os.getpid()
            pid = os.fork()
            if pid == 0:
                control.close()
                for child in children:
                    os.close(child)
                _become_worker(request, list(fds), me)
            for descriptor in fds:
                os.close(descriptor)
            pidfd = os.pidfd_open(pid)
            children[pidfd] = (pid, request.number)
            poll.register(pidfd, select.POLLIN)
            control.send(encoder.encode(Event("forked", request.number, pid)))


def _preload() -> None:
    import cloudpickle  # noqa: F401  the point is that it is loaded

    from tradewind.runtime import api, wire  # noqa: F401  loaded once for all workers
    from tradewind.runtime.messages import control, peer

    wire.decoder_of(peer.PeerMessage)
    wire.decoder_of(control.FromNode)
    import gc

    gc.collect()
    gc.freeze()  # so that a worker's collections do not copy the pages it shares with the others


def _become_worker(request: ForkRequest, fds: list[int], parent: int) -> None:
    code = 1
    try:
        die_with(parent)
        os.setpgid(0, 0)
        os.dup2(fds[1], 1)
        os.dup2(fds[2], 2)
        os.close(fds[1])
        os.close(fds[2])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.update(request.env)
        if request.cwd:
            try:
                os.chdir(request.cwd)
            except OSError:
                pass
        for entry in reversed(request.sys_path):
            if entry not in sys.path:
                sys.path.insert(0, entry)
        from tradewind.runtime.core.worker import run_worker

        run_worker(fds[0], by_value=request.by_value)
    finally:
        os._exit(code)


def main() -> None:
    """The template's start: argv is the control socket's number and the parent's process id."""
    control = socket.socket(fileno=int(sys.argv[1]))
    parent = int(sys.argv[2])
    sys.argv[:] = [""]
    serve(control, parent)


if __name__ == "__main__":
    main()
