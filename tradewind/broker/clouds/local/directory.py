"""An instance's directory: what it is made of, and the lock that tells whether the instance lives.

    <instances_dir>/<instance_id>/   0700
        request.json   the intent: token and request, written before the host is started
        alive.lock     flock held exactly as long as the instance lives
        host.sock      where the host answers
        started        the host listens
        ended          one sentence: why the instance ended, where the host could still say it
        host.log       the host's own words (normally none)
        run            link to its XDG_RUNTIME_DIR (run_directory.py)
        home/          the instance's home directory
        logs/          what bootstrap writes

The lock belongs to the open file description. The provider takes it before it forks and passes it on, so that a daemon that is killed before the
fork leaves a free lock, and one killed after it leaves a lock that lives and dies with the host.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import time

import msgspec

from tradewind.broker.clouds.local.errors import refusal
from tradewind.broker.provider import LaunchRequest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_GOING = ".going-"
_LOCK_TRIES = 8


class Intent(msgspec.Struct, frozen=True):
    """What was asked for before anything was started: the request, its token, the address chosen for it, and the machine it is on ("" for none)."""

    token: str
    address: str
    request: LaunchRequest
    machine: str = ""


class InstanceDirectory:
    """The files of one instance. Nothing here starts or ends a process."""

    def __init__(self, instances_dir: str, instance_id: str) -> None:
        if not _NAME.match(instance_id):
            raise refusal(
                "bad-request", f"{instance_id!r} cannot name an instance: use letters, digits, '.', '_' and '-'"
            )
        self.instance_id = instance_id
        self.path = os.path.join(instances_dir, instance_id)
        self.home = os.path.join(self.path, "home")
        self.logs = os.path.join(self.path, "logs")
        self.lock = os.path.join(self.path, "alive.lock")
        self.host_socket = os.path.join(self.path, "host.sock")
        self.host_log = os.path.join(self.path, "host.log")

    def create(self) -> None:
        """Make the directory and its folders, if they are not there."""
        for path in (self.path, self.home, self.logs):
            os.makedirs(path, mode=0o700, exist_ok=True)

    def try_lock(self) -> int | None:
        """The lock's file descriptor, held by the caller; None if the instance (or a launch of it) lives. Creates the file."""
        try:
            fd = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return None  # the directory has just been removed
        for _ in range(_LOCK_TRIES):  # `lock_is_free` holds it for some microseconds: that is no instance
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return fd
            except BlockingIOError:
                time.sleep(0.001)
        os.close(fd)
        return None

    def lock_is_free(self) -> bool:
        """Whether no process holds the instance's lock: true when it never lived, and once it has ended."""
        try:
            fd = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def write_intent(self, intent: Intent) -> None:
        """Put the intent on disk for good before anything is started."""
        temporary = os.path.join(self.path, "request.json.partial")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(intent))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, os.path.join(self.path, "request.json"))

    def read_intent(self) -> Intent | None:
        """The intent, or None where none was written (a launch that was cut off, or one that is under way)."""
        try:
            with open(os.path.join(self.path, "request.json"), "rb") as file:
                return msgspec.json.decode(file.read(), type=Intent)
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            return None

    def has_started(self) -> bool:
        """Whether its host has ever listened."""
        return os.path.exists(os.path.join(self.path, "started"))

    def why_ended(self) -> str:
        """The host's last sentence, or what its silence means."""
        if not os.path.exists(self.path):
            return "it was terminated"
        try:
            with open(os.path.join(self.path, "ended"), encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return "its host process was killed" if self.has_started() else "it never started"

    def remove(self) -> None:
        """Remove the directory in one step as seen from outside, whatever modes its user left inside."""
        going = os.path.join(os.path.dirname(self.path), _GOING + self.instance_id)
        try:
            os.rename(self.path, going)
        except FileNotFoundError:
            pass
        except OSError:  # an earlier removal was cut off: finish that one first
            _remove_tree(going)
            os.rename(self.path, going)
        _remove_tree(going)


def instance_ids(instances_dir: str) -> list[str]:
    """Every instance that has a directory, in order."""
    try:
        names = os.listdir(instances_dir)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if _NAME.match(name))


def remove_leftovers(instances_dir: str) -> None:
    """Finish removals that were cut off."""
    try:
        names = os.listdir(instances_dir)
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(_GOING):
            _remove_tree(os.path.join(instances_dir, name))


def _remove_tree(path: str) -> None:
    """Remove it all; where a directory's mode keeps its files, open the directories up and try once more."""
    if os.path.islink(path):
        os.unlink(path)
        return
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        os.chmod(path, stat.S_IRWXU)
        for folder, folders, _ in os.walk(path):  # from the top: each is opened before it is entered
            for name in folders:
                if not os.path.islink(os.path.join(folder, name)):
                    os.chmod(os.path.join(folder, name), stat.S_IRWXU)
        shutil.rmtree(path, ignore_errors=True)
