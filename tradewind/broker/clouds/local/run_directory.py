"""An instance's /run: a short private directory for sockets, which must not have longer paths than 108 bytes (unix(7)).

It lies under XDG_RUNTIME_DIR or /tmp/tradewind-UID, becomes the instance's own XDG_RUNTIME_DIR, and is removed with the instance: what an abrupt
death leaves there goes too. The link `run` in the instance's directory says where it is, and is made first, so that none is ever forgotten.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat

from tradewind.broker.clouds.local.errors import refusal

_PREFIX = "instance-"


def make_run_directory(instance_path: str) -> str:
    """The instance's private directory, made if it was not there. Raises ProviderError "not-yours" when its place belongs to another user."""
    base = _base()
    path = os.path.join(base, _PREFIX + hashlib.sha256(instance_path.encode()).hexdigest()[:16])
    link = os.path.join(instance_path, "run")
    with contextlib.suppress(FileExistsError):
        os.symlink(path, link)
    path = os.readlink(link)
    for one in (os.path.dirname(path), path):
        _make_private(one)
    return path


def remove_run_directory(instance_path: str) -> None:
    """The instance's private directory is gone; it never was is fine."""
    try:
        path = os.readlink(os.path.join(instance_path, "run"))
    except OSError:
        return
    # a job could have put another link there: only what has the shape of ours, and is ours, is removed
    if os.path.basename(path).startswith(_PREFIX) and not os.path.islink(path):
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(path).st_uid == os.geteuid():
                shutil.rmtree(path, ignore_errors=True)


def _base() -> str:
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if own:
        with contextlib.suppress(OSError):
            state = os.stat(own)
            if state.st_uid == os.geteuid() and not state.st_mode & 0o077:
                return os.path.join(own, "tradewind")
    return f"/tmp/tradewind-{os.geteuid()}"  # noqa: S108  made 0700 and its owner checked before use


def _make_private(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    state = os.lstat(path)
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise refusal(
            "not-yours", f"{path} must be a directory of yours, closed to others (0700); remove it and try again"
        )
