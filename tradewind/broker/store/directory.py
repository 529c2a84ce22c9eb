"""The data directory: made 0700, on a local file system, locked by one process at a time."""

from __future__ import annotations

import fcntl
import os
import stat

from tradewind.broker.store.errors import DataDirectoryBusy, DataDirectoryError

# Where flock or SQLite's shared memory is known to fail across machines (https://www.sqlite.org/wal.html, "WAL does not work over a
# network filesystem"). Names as the kernel writes them in /proc/self/mountinfo.
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "ceph",
        "fuse.sshfs",
        "lustre",
        "afs",
        "glusterfs",
        "fuse.glusterfs",
        "gpfs",
        "beegfs",
    }
)
LOCK_NAME = "daemon.lock"


def file_system_of(path: str, mountinfo: str) -> str:
    """The type of the file system that holds `path`, by the longest mount point in the text of /proc/self/mountinfo ("" if unknown)."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = fields[4].encode().decode("unicode_escape")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # a later mount on the same point hides the earlier one
            best, kind = point, right.split(" ", 1)[0]
    return kind


def prepare(path: str) -> str:
    """The real path of the data directory, which now exists, is the user's own, closed to others, and on a local file system.

    Raises:
        DataDirectoryError: it cannot be made or must not be used.
    """
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        real = os.path.realpath(path)
        status = os.stat(real)
    except OSError as error:
        raise DataDirectoryError(
            path, f"the data directory cannot be made: {error.strerror}; set TRADEWIND_DATA_DIR to a writable place"
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise DataDirectoryError(path, "is not a directory; set TRADEWIND_DATA_DIR to one")
    if status.st_uid != os.getuid():
        raise DataDirectoryError(
            path, f"belongs to user {status.st_uid}, not to you; set TRADEWIND_DATA_DIR to a directory of your own"
        )
    if not os.access(real, os.W_OK | os.X_OK):
        raise DataDirectoryError(
            path, "is read-only: plans can be made, nothing can be bought; set TRADEWIND_DATA_DIR to a writable place"
        )
    if status.st_mode & 0o077:
        os.chmod(real, 0o700)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            kind = file_system_of(real, file.read())
    except OSError:
        kind = ""
    if kind in NETWORK_FILE_SYSTEMS:
        raise DataDirectoryError(
            path,
            f"lies on a network file system ({kind}), where locks cannot be trusted; set TRADEWIND_DATA_DIR to a local disk",
        )
    return real


def lock(path: str) -> int:
    """An open descriptor that holds the directory's lock until it is closed or its process ends.

    Raises:
        DataDirectoryBusy: another process holds it.
    """
    descriptor = os.open(os.path.join(path, LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DataDirectoryBusy(path, "another daemon holds this data directory") from None
    return descriptor
