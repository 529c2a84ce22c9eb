"""Where the daemon of a data directory listens. Standard library only: the command line imports it."""

from __future__ import annotations

import hashlib
import os
import stat


class SocketDirectoryError(Exception):
    """The directory for sockets cannot be used; one sentence."""


def data_directory() -> str:
    """The data directory that the environment names: TRADEWIND_DATA_DIR, else ~/.tradewind."""
    return os.path.realpath(os.path.expanduser(os.environ.get("TRADEWIND_DATA_DIR") or "~/.tradewind"))


def socket_path(data_dir: str) -> str:
    """A short path for the daemon's socket, in a directory of the user's own that now exists with mode 0700.

    unix(7) allows 108 bytes, so the data directory goes into the name as a hash.

    Raises:
        SocketDirectoryError: the directory belongs to someone else or cannot be made.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = (
        os.path.join(runtime, "tradewind")
        if runtime and os.path.isdir(runtime) and len(runtime) < 64
        else f"/tmp/tradewind-{os.getuid()}"  # noqa: S108  owner and mode are checked below
    )
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
        status = os.lstat(base)
    except OSError as error:
        raise SocketDirectoryError(f"{base}: no place for the daemon's socket: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise SocketDirectoryError(f"{base} belongs to someone else; remove it, or set XDG_RUNTIME_DIR")
    if status.st_mode & 0o077:
        os.chmod(base, 0o700)
    name = hashlib.sha256(os.fsencode(os.path.realpath(data_dir))).hexdigest()[:20]
    return os.path.join(base, f"{name}.sock")
