"""How the runtime starts its own daemons: a bare interpreter, a short module path, the configuration over standard input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

import msgspec

# Runs before anything of ours can be imported: the path comes first on standard input, as one line.
_BOOT = "import sys, json; sys.path[:0] = json.loads(sys.stdin.buffer.readline()); from {module} import main; main()"


def own_path() -> list[str]:
    """The directories from which this package and what it needs are imported."""
    import tradewind

    found = [
        os.path.dirname(os.path.dirname(os.path.abspath(tradewind.__file__ or ""))),
        os.path.dirname(os.path.dirname(msgspec.__file__)),
    ]
    return list(dict.fromkeys(found))


def fill_standard_descriptors() -> None:
    """Descriptors 0 to 2 are open, on nothing where they were closed: sockets that got these numbers would become a child's input or output."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return
        os.set_inheritable(descriptor, True)


def start_daemon(
    module: str,
    config: bytes,
    *,
    pass_fds: Sequence[int],
    env: Mapping[str, str] | None = None,
    stderr: IO[bytes] | int | None = None,
) -> subprocess.Popen[bytes]:
    """The module's main() is starting in a session of its own, with config on its standard input."""
    # -S skips the site module (a few ms, and whatever .pth files there are); -P keeps the current directory off the path.
    process = subprocess.Popen(
        [sys.executable, "-S", "-P", "-c", _BOOT.format(module=module)],
        stdin=subprocess.PIPE,
        stdout=stderr,
        stderr=stderr,
        pass_fds=pass_fds,
        env=None if env is None else dict(env),
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(own_path()).encode() + b"\n" + config)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended already; whoever waits for it will see that
    return process
