"""Whether something failed because a disk is full: trouble that may pass, and is nobody's fault who is asked to do something here."""

from __future__ import annotations

import errno
import os

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LEAST_BYTES = 1 << 20  # less than a started process of ours writes at once


def is_out_of_room(error: BaseException) -> bool:
    """Whether the error, or what it was raised from, says so."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        seen = seen.__cause__
    return False


def is_full(directory: str) -> bool:
    """Whether next to nothing more fits on the directory's disk."""
    try:
        disk = os.statvfs(directory)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LEAST_BYTES
