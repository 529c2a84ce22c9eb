"""Objects out on disk: files without a name, so that no crash and no kill leaves one behind."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile


class SpillFiles:
    """One nameless file an object; its space is free as soon as the object is forgotten or this process ends."""

    def __init__(self, directory: str) -> None:
        """Files go to directory, or with "" where temporary files go."""
        self.directory = directory or tempfile.gettempdir()
        self._files: dict[str, int] = {}
        self.bytes = 0
        self.failure = ""

    def write(self, name: str, memory: mmap.mmap, offset: int, size: int) -> bool:
        """True when the bytes are in a file; False with the reason in `failure` when the disk did not take them."""
        try:
            descriptor = self._open()
        except OSError as error:
            self.failure = f"{self.directory}: {error.strerror or error}"
            return False
        try:
            with memoryview(memory) as whole, whole[offset : offset + size] as view:
                done = 0
                while done < size:
                    done += os.pwrite(descriptor, view[done:], done)
        except OSError as error:
            self.failure = f"{self.directory}: {error.strerror or error}"
            os.close(descriptor)
            return False
        self._files[name] = descriptor
        self.bytes += size
        self.failure = ""
        return True

    def _open(self) -> int:
        with contextlib.suppress(OSError, AttributeError):
            return os.open(self.directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        # A file system without nameless files: the name goes before anything is written.
        descriptor, path = tempfile.mkstemp(dir=self.directory, prefix="tradewind-")
        os.unlink(path)
        return descriptor

    def read(self, name: str, memory: mmap.mmap, offset: int, size: int) -> None:
        """The object's bytes stand at offset. Raises OSError."""
        descriptor = self._files[name]
        with memoryview(memory) as whole, whole[offset : offset + size] as view:
            done = 0
            while done < size:
                got = os.preadv(descriptor, [view[done:]], done)
                if not got:
                    raise OSError(f"the file of {name} ends after {done} of {size} bytes")
                done += got

    def part(self, name: str, start: int, length: int) -> bytes | None:
        """Some of the object's bytes, or None when it is not here."""
        descriptor = self._files.get(name)
        return None if descriptor is None else os.pread(descriptor, length, start)

    def forget(self, name: str) -> None:
        """The object's file is gone, if there was one."""
        descriptor = self._files.pop(name, None)
        if descriptor is not None:
            self.bytes -= os.fstat(descriptor).st_size
            os.close(descriptor)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __len__(self) -> int:
        return len(self._files)

    def close(self) -> None:
        """Every file is gone."""
        for name in list(self._files):
            self.forget(name)
