"""Opens the place that a task's `checkpoint` names: S3 by AWS's own library, everything else by fsspec, with the logins of this machine."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import posixpath
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from tradewind.broker.bucket import Bucket, BucketError
from tradewind.broker.clouds.registry import SettingsError, settings_of
from tradewind.broker.provider import ProviderError

S3 = "s3"
# Schemes of a cloud whose login is found as for its machines, by that cloud's `bucket` module.
LOGINS = {"gs": "gcp", "gcs": "gcp", "abfs": "azure", "abfss": "azure", "az": "azure"}
BY_SSH = ("sftp", "ssh")
# Stores of objects: one call replaces a whole object, and nobody ever reads half of one. Elsewhere a file is written beside its place and moved.
OBJECT_STORES = frozenset({"abfs", "abfss", "az", "gcs", "gs", "memory", "oci", "r2", "s3a"})
ABOUT = "tradewind.txt"
_ABOUT = b"Checkpoints of tradewind's jobs. RANK/manifest.json names what is complete; RANK/copies holds it.\n"


class Places:
    """The places in use, each opened once. Thread-safe."""

    def __init__(self, data_dir: str) -> None:
        self._data_dir = data_dir
        self._open: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def get(self, uri: str) -> Bucket:
        """The place. Raises BucketError: it cannot be opened from here."""
        with self._lock:
            if uri not in self._open:
                self._open[uri] = self._opened(uri)
            return self._open[uri]

    def probe(self, uri: str) -> None:
        """It can be listed, written to and read. Raises BucketError that says why not. Leaves a file there that says what the place is."""
        place = self.get(uri)
        if place.read(ABOUT) != _ABOUT:
            place.write(ABOUT, _ABOUT)
        place.names("rank-0")

    def close(self) -> None:
        """Their connections are gone."""
        with self._lock:
            for place in self._open.values():
                place.close()
            self._open.clear()

    def _opened(self, uri: str) -> Bucket:
        if urlsplit(uri).password:
            raise BucketError(
                f"{without_password(uri)}: a password may not stand in a URI, which is kept and shown in clear; leave it to the "
                "place's own configuration"
            )
        if urlsplit(uri).scheme != S3:
            return FsspecPlace(uri)
        from tradewind.broker.clouds.aws.bucket import S3Bucket

        try:
            settings = settings_of("aws", self._data_dir)
        except SettingsError as error:
            raise BucketError(f"{uri}: {error}") from error
        return S3Bucket(uri, profile=settings.profile)


def without_password(uri: str) -> str:
    """The URI as it may be shown."""
    parts = urlsplit(uri)
    return uri if not parts.password else uri.replace(f":{parts.password}@", ":***@", 1)


class FsspecPlace:
    """Implements `Bucket` for a directory and any URI that fsspec opens (gs, abfs, sftp, ...)."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise BucketError(
                f"{uri} needs fsspec, which is not installed: pip install 'tradewind[buckets]'"
            ) from error
        self._scheme = scheme = urlsplit(uri).scheme
        self._moves = scheme not in OBJECT_STORES
        with self._refusals():
            self._fs, self._root = url_to_fs(uri, **_options(scheme, uri))

    def read(self, name: str) -> bytes | None:
        """What stands there, None where nothing does."""
        try:
            with self._refusals():
                return bytes(self._fs.cat_file(self._path(name)))
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """`data` stands there, replaced as a whole."""
        path = self._path(name)
        try:
            with self._refusals():
                self._make_folder(path)
                if self._moves:
                    self._fs.pipe_file(path + ".partial", data)
                    self._fs.mv(path + ".partial", path)
                else:
                    self._fs.pipe_file(path, data)
        except FileNotFoundError as error:
            raise self._refused(error) from error

    def upload(self, source: str, name: str) -> None:
        """The local file's content stands there."""
        path = self._path(name)
        with self._refusals():
            self._make_folder(path)
            self._fs.put_file(source, path)

    def download(self, name: str, target: str) -> bool:
        """The content stands in the local file `target`; False where there is none."""
        try:
            with self._refusals():
                self._fs.get_file(self._path(name), target)
        except FileNotFoundError:
            return False
        return True

    def names(self, under: str) -> list[str]:
        """Everything that stands below `under`."""
        try:
            with self._refusals():
                found = self._fs.find(self._path(under))
        except FileNotFoundError:
            return []
        skip = len(self._fs._strip_protocol(self._root).rstrip("/")) + 1  # noqa: SLF001  fsspec's own name for it
        return [str(self._fs._strip_protocol(one))[skip:] for one in found]  # noqa: SLF001  as above

    def remove(self, names: Iterable[str]) -> None:
        """Nothing stands there."""
        for name in names:
            path = self._path(name)
            with contextlib.suppress(FileNotFoundError), self._refusals():
                self._fs.rm_file(path)
            if self._moves:  # where folders are things of their own, an empty one goes too
                with contextlib.suppress(Exception):  # whatever it raises for one that is not empty
                    self._fs.rmdir(posixpath.dirname(path))

    def close(self) -> None:
        """Nothing is held: fsspec's file systems are shared within the process."""

    def _make_folder(self, path: str) -> None:
        if self._moves:
            self._fs.makedirs(posixpath.dirname(path), exist_ok=True)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, BucketError):
            raise
        except ImportError as error:
            raise BucketError(f"{self._uri} cannot be reached from here: {_one_line(error)}") from error
        except Exception as error:  # every implementation raises its own: told as it came
            if type(error).__name__ == "HostKeyNotVerifiable":
                raise BucketError(
                    f"{self._uri}: its host key is not in your known_hosts, or is another one there, and nothing was sent; log in once with ssh and "
                    "accept it"
                ) from error
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> BucketError:
        """What it said, and what a person can do about it."""
        said = _one_line(error) or type(error).__name__
        mend = _bucket_of(LOGINS[self._scheme]).mend(self._uri, said) if self._scheme in LOGINS else ""
        return BucketError(f"{self._uri}: {said}" + (f"; {mend}" if mend else ""))


def _options(scheme: str, uri: str) -> dict[str, Any]:
    """How fsspec is to open the place. Raises BucketError."""
    if scheme not in BY_SSH:
        options = {"use_listings_cache": False}  # another daemon may have written since
        return {**options, **_login(LOGINS[scheme], uri)} if scheme in LOGINS else options
    if importlib.util.find_spec("sshfs") is None:  # fsspec's own way there takes any host key
        raise BucketError(f"{uri} needs sshfs, which is not installed: pip install 'tradewind[buckets]' sshfs")
    return {"known_hosts": ()}  # asyncssh's word for the person's own files; sshfs alone would take any host key


def _bucket_of(cloud: str) -> Any:
    """What the cloud knows of its buckets: `login(uri) -> options` and `mend(uri, said)`."""
    return importlib.import_module(f"tradewind.broker.clouds.{cloud}.bucket")


def _login(cloud: str, uri: str) -> dict[str, Any]:
    """The options with which the cloud's login opens the place; {} where its library is not there, which is told at the opening."""
    try:
        options: dict[str, Any] = _bucket_of(cloud).login(uri)
    except ProviderError as error:
        if error.code == "NO_LIBRARY":
            return {}
        raise BucketError(f"{uri}: {error.message}") from error
    except ImportError:
        return {}
    return options


def _one_line(error: Any) -> str:
    return " ".join(str(error).split())[:400]
