"""Turning the machine off from within."""

from __future__ import annotations

import json
import os
import socket
import sys

_HOST_SOCKET = "TRADEWIND_HOST_SOCKET"


def end_instance(why: str) -> None:
    """Ask the local instance's host, where there is one, to die now; nothing of this instance lives for long after that.

    Elsewhere the agent only exits: how a cloud's machine ends itself comes with that cloud's provider.
    """
    path = os.environ.get(_HOST_SOCKET, "")
    if not path:
        return
    try:
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as host:
            host.settimeout(5)
            host.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")  # its own path may be over 108 bytes
            host.sendall(json.dumps({"op": "end", "reason": why}).encode() + b"\n")
            host.recv(4096)
    except OSError as error:
        print(f"the instance could not be ended: {error}", file=sys.stderr)
