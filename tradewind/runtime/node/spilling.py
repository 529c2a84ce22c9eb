"""Objects out on disk: files without a name, so that no crash and no kill leaves one behind.

Bytes go out and come back in a thread that lives only while there is something to do, so that a slow disk keeps nobody waiting but those who
want these bytes or this room.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

# What moves between two looks at whether it is still wanted.
_STEP = 8 << 20


@dataclass(slots=True, eq=False)
class _Job:
    """Bytes on their way to disk or back. done(error) hears of the end in the loop's thread, "" when all of them have moved."""

    name: str
    descriptor: int  # -1: to disk
    memory: mmap.mmap
    offset: int
    size: int
    done: Callable[[str], None]
    unwanted: bool = False
    error: str = ""


class SpillFiles:
    """One nameless file an object; its space is free as soon as the object is forgotten or this process ends."""

    def __init__(self, directory: str, in_loop: Callable[[Callable[[], None]], None]) -> None:
        """Files go to directory, or with "" where temporary files go; in_loop runs a callback in the loop's thread, from any thread."""
        self.directory = directory or tempfile.gettempdir()
        self._in_loop = in_loop
        self._files: dict[str, int] = {}
        self._moving: dict[str, _Job] = {}
        self._jobs: deque[_Job] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self.bytes = 0
        self.failure = ""

    def write(self, name: str, memory: mmap.mmap, offset: int, size: int, done: Callable[[str], None]) -> None:
        """The bytes are on their way into a file: done("") when they are there, else done(why not), which `failure` says too.

        The memory must stay as it is until then. done hears nothing of an object that is forgotten meanwhile.
        """
        self._add(_Job(name, -1, memory, offset, size, done))

    def read(self, name: str, memory: mmap.mmap, offset: int, size: int, done: Callable[[str], None]) -> None:
        """The object's bytes are on their way to offset: done("") when they stand there, else done(why not).

        done hears of the end in any case: the place at offset is in use until then.
        """
        self._add(_Job(name, self._files[name], memory, offset, size, done))

    def _add(self, job: _Job) -> None:
        self._moving[job.name] = job
        self._jobs.append(job)
        self._start()

    def _start(self) -> None:
        """Somebody does what is to be done."""
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="tradewind-spill", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs or self._closing:
                    self._thread = None
                    return
                job = self._jobs.popleft()
            self._perform(job)
            self._in_loop(lambda it=job: self._finish(it))  # type: ignore[misc]

    def _perform(self, job: _Job) -> None:
        """The bytes have moved, or the job says why not."""
        writing = job.descriptor < 0
        try:
            if writing:
                job.descriptor = self._open()
            with memoryview(job.memory) as whole, whole[job.offset : job.offset + job.size] as view:
                done = 0
                while done < job.size and not job.unwanted and not self._closing:
                    part = view[done : done + _STEP]
                    moved = (os.pwrite if writing else _pread)(job.descriptor, part, done)
                    part.release()
                    if not moved:
                        raise OSError(f"the file ends after {done} of {job.size} bytes")
                    done += moved
        except OSError as error:
            job.error = f"{self.directory}: {error.strerror or error}"

    def _finish(self, job: _Job) -> None:
        """In the loop's thread: the file counts, or goes."""
        if self._moving.get(job.name) is job:
            del self._moving[job.name]
        if self._files.get(job.name) == job.descriptor:  # it was read back
            if job.unwanted:
                self._drop(job.name)
            job.done(job.error or ("it was let go of" if job.unwanted else ""))
            return
        if job.unwanted or job.error:
            if job.descriptor >= 0:
                os.close(job.descriptor)
        else:
            self._files[job.name] = job.descriptor
            self.bytes += job.size
        if not job.unwanted:
            self.failure = job.error
            job.done(job.error)

    def _open(self) -> int:
        with contextlib.suppress(OSError, AttributeError):
            return os.open(self.directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        # A file system without nameless files: the name goes before anything is written.
        descriptor, path = tempfile.mkstemp(dir=self.directory, prefix="tradewind-")
        os.unlink(path)
        return descriptor

    def part(self, name: str, start: int, length: int) -> bytes | None:
        """Some of the object's bytes, or None when it is not here."""
        descriptor = self._files.get(name)
        return None if descriptor is None else os.pread(descriptor, length, start)

    def forget(self, name: str) -> None:
        """The object's file is gone, if there was one, or goes as soon as nothing moves from or to it."""
        job = self._moving.pop(name, None)
        if job is not None:
            job.unwanted = True
        else:
            self._drop(name)

    def _drop(self, name: str) -> None:
        descriptor = self._files.pop(name, None)
        if descriptor is not None:
            self.bytes -= os.fstat(descriptor).st_size
            os.close(descriptor)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __len__(self) -> int:
        return len(self._files)

    def close(self) -> None:
        """Every file is gone. A disk that does not answer is not waited for longer than a second."""
        self._closing = True
        thread = self._thread
        if thread is not None:
            thread.join(1.0)
            if thread.is_alive():
                return
        for name in list(self._files):
            self._drop(name)


def _pread(descriptor: int, part: memoryview, offset: int) -> int:
    return os.preadv(descriptor, [part], offset)
