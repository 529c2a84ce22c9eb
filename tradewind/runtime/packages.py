"""Directories of a driver for workers on other machines: packed once by content, kept at the head while the job lasts, unpacked once a node."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tradewind.runtime.exceptions import RuntimeEnvSetupError
from tradewind.runtime.messages import cluster

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process

# In a node's environment: where packages are unpacked, a directory that goes with the node.
DIRECTORY_VARIABLE = "TRADEWIND_NODE_DIRECTORY"
PREFIX = "package:"
MAX_BYTES = 256 << 20
_PIECE = 8 << 20
_NEVER = ("__pycache__", ".git", ".hg", ".venv", "*.pyc")
# The oldest date that a zip file can hold: a package's bytes depend on names and contents only.
_DATE = (1980, 1, 1, 0, 0, 0)


def pack(directory: str, under: str = "", excludes: Sequence[str] = ()) -> bytes:
    """The directory's files as a zip file, below `under` in it. Raises ValueError when it is too large, OSError for a file that cannot be read.

    excludes: patterns of names, or of paths from the directory on, that stay behind, as __pycache__ and .git always do.
    """
    out = io.BytesIO()
    total = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in _files(directory, (*_NEVER, *excludes)):
            total += os.stat(path).st_size
            if total > MAX_BYTES:
                raise ValueError(
                    f"The directory {directory} holds more than {MAX_BYTES >> 20} MiB, too much to send along; leave files out with runtime_env['excludes'], or put data where all machines can read it."
                )
            info = zipfile.ZipInfo(os.path.join(under, os.path.relpath(path, directory)), _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (os.stat(path).st_mode & 0o777) << 16
            with open(path, "rb") as file:
                archive.writestr(info, file.read())
    return out.getvalue()


def _files(directory: str, excludes: Sequence[str]) -> Iterator[str]:
    def left_out(path: str) -> bool:
        names = os.path.basename(path), os.path.relpath(path, directory)
        return any(fnmatch.fnmatch(name, pattern.rstrip("/")) for pattern in excludes for name in names)

    for place, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not left_out(os.path.join(place, name)))
        for name in sorted(names):
            path = os.path.join(place, name)
            if os.path.isfile(path) and not left_out(path):
                yield path


def job_directory(directory: str, job: str) -> str:
    """Where a node with this directory unpacks the packages of the job."""
    return os.path.join(directory, "packages", job.replace("/", "-"))


class Packages:
    """A process's way to the head's packages."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._sent: set[str] = set()

    def upload(self, directory: str, under: str = "", excludes: Sequence[str] = ()) -> str:
        """The directory's name as workers of this job know it: its contents of now. Raises as pack does."""
        data = pack(directory, under, excludes)
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        name = f"{self._process.job or self._process.address}/package/{digest}"
        if name not in self._sent:
            pieces = range(0, max(1, len(data)), _PIECE)
            for number, start in enumerate(pieces):
                self._process.head(cluster.KeyValue("put", f"job/{name}/{number}", data[start : start + _PIECE]))
            self._process.head(cluster.KeyValue("put", f"job/{name}", str(len(pieces)).encode()))
            self._sent.add(name)
        return PREFIX + name

    def fetch(self, name: str) -> str:
        """The package's directory on this node, unpacked now if it was not. Raises RuntimeEnvSetupError with the reason why it cannot be."""
        name = name.removeprefix(PREFIX)
        job, _, digest = name.partition("/package/")
        base = job_directory(os.environ.get(DIRECTORY_VARIABLE) or tempfile.gettempdir(), job)
        place = os.path.join(base, digest)
        if os.path.isdir(place):
            return place
        try:
            os.makedirs(base, mode=0o700, exist_ok=True)
            made = tempfile.mkdtemp(dir=base)
            try:
                with zipfile.ZipFile(io.BytesIO(self._download(name))) as archive:
                    for info in archive.infolist():
                        path = archive.extract(info, made)
                        os.chmod(path, info.external_attr >> 16 or 0o644)
                os.rename(made, place)
            except OSError:
                if not os.path.isdir(place):  # or another worker was faster
                    raise
            finally:
                shutil.rmtree(made, ignore_errors=True)
        except (OSError, zipfile.BadZipFile) as error:
            raise RuntimeEnvSetupError(f"The driver's files could not be unpacked in {base}: {error}.") from error
        return place

    def _download(self, name: str) -> bytes:
        count = self._value(f"job/{name}")
        return b"".join(self._value(f"job/{name}/{number}") for number in range(int(count)))

    def _value(self, key: str) -> bytes:
        entries: dict[str, bytes] = self._process.head(cluster.KeyValue("get", key)).entries
        if key not in entries:
            raise RuntimeEnvSetupError(
                "The driver's files (runtime_env) are not with the head any more; its job has ended."
            )
        return entries[key]
