"""Starting a host (host.py): the first process of an instance, or of a machine that instances come to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from tradewind.broker.clouds.local.containment import MARK
from tradewind.broker.clouds.local.directory import InstanceDirectory
from tradewind.broker.clouds.local.run_directory import make_run_directory

# What a host inherits from here. Everything else, credentials above all, stays outside.
_INHERITED = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM", "LD_LIBRARY_PATH"),
    # how this machine reaches the world: a setup that installs something needs it
    *(
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
    ),
)
_HOST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "host.py")
_LOCK_FD = 3


def host_command(directory: InstanceDirectory, cap_unix: float) -> list[str]:
    """The host's command line; it ends itself at `cap_unix` (Unix seconds; 0: never)."""
    return [sys.executable, "-I", "-S", "-B", _HOST, directory.path, repr(cap_unix)]


def host_environment(directory: InstanceDirectory) -> dict[str, str]:
    """What the host starts with, the mark that all its processes carry among it. Its run directory is there. Raises ProviderError, OSError."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment |= {"HOME": directory.home, "XDG_RUNTIME_DIR": make_run_directory(directory.path)}
    return environment | {"TRADEWIND_INSTANCE": directory.instance_id, MARK: directory.path}


def spawn(directory: InstanceDirectory, argv: list[str], environment: Mapping[str, str], lock: int) -> int:
    """The pid of `argv` (its program an absolute path), which holds the lock from now on and says its last words in the host's log. Raises OSError."""
    log = os.open(directory.host_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.posix_spawn(
            argv[0],
            argv,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
                *((os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable_fds()),
                (os.POSIX_SPAWN_DUP2, lock, _LOCK_FD),
            ],
            setsid=True,
            setsigmask=[],
        )
    finally:
        os.close(log)
        os.close(null)


def _inheritable_fds() -> list[int]:
    """What this process got from its parent and would hand on: an instance must not hold a terminal's or a pipe's end open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            pass  # the listing's own descriptor
    return found
