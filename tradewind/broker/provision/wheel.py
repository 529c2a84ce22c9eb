"""tradewind as a wheel, made from the package that runs here: what an instance gets is what its broker is, released or not.

Written by hand because a wheel is a small zip with three text files (packaging.python.org, "Binary distribution format"), and neither the build
tools nor the checkout are there once tradewind is installed. Equal packages give equal bytes: entries are sorted, times are fixed.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import os
import re
import zipfile
from collections.abc import Iterator

import msgspec

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the least that zip can say
_SKIPPED = ("__pycache__",)
_WHEEL = "Wheel-Version: 1.0\nGenerator: tradewind\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class Requirement(msgspec.Struct, frozen=True):
    """A distribution that tradewind needs at run time, and the bounds of its version: pairs such as (">=", "2.8")."""

    name: str
    bounds: tuple[tuple[str, str], ...] = ()


class Wheel(msgspec.Struct, frozen=True):
    """A wheel in memory. `digest` (sha256, hex) names its content; `requirements` are those without extras."""

    file_name: str
    data: bytes
    digest: str
    requirements: tuple[Requirement, ...]


def build_wheel(package_dir: str | None = None) -> Wheel:
    """The wheel of the tradewind that is imported here (or of the package at `package_dir`). Reads 3 MB or so; takes about 0.2 s.

    Raises:
        OSError: the package's files cannot be read.
        importlib.metadata.PackageNotFoundError: tradewind is not installed, only importable.
    """
    root = package_dir or _package_dir()
    distribution = importlib.metadata.distribution("tradewind")
    metadata = distribution.metadata
    version = metadata["Version"]
    info = f"tradewind-{version}.dist-info"
    files = [(f"tradewind/{name}", data) for name, data in _files(root)]
    entry_points = distribution.read_text("entry_points.txt") or ""
    # As it was written: the parsed form does not print itself again where the description has several lines.
    files.append((f"{info}/METADATA", (distribution.read_text("METADATA") or "").encode()))
    files.append((f"{info}/WHEEL", _WHEEL.encode()))
    files.append((f"{info}/entry_points.txt", entry_points.encode()))
    record = "".join(f"{name},sha256={_digest64(data)},{len(data)}\n" for name, data in files) + f"{info}/RECORD,,\n"
    files.append((f"{info}/RECORD", record.encode()))
    data = _zip(files)
    return Wheel(
        file_name=f"tradewind-{version}-py3-none-any.whl",
        data=data,
        digest=hashlib.sha256(data).hexdigest(),
        requirements=tuple(_requirements(metadata.get_all("Requires-Dist") or [])),
    )


def write_wheel(wheel: Wheel, directory: str) -> str:
    """The path of the wheel in a folder of its own below `directory`, written if it is not there. Raises OSError."""
    folder = os.path.join(directory, wheel.digest[:16])
    path = os.path.join(folder, wheel.file_name)
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        partial = f"{path}.{os.getpid()}.partial"
        with open(partial, "wb") as file:
            file.write(wheel.data)
        os.replace(partial, path)
    return path


def _package_dir() -> str:
    import tradewind

    return os.path.dirname(os.path.abspath(tradewind.__file__))


def _files(root: str) -> Iterator[tuple[str, bytes]]:
    for directory, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED)
        for name in sorted(names):
            path = os.path.join(directory, name)
            if not name.endswith((".pyc", ".partial")):
                with open(path, "rb") as file:
                    yield os.path.relpath(path, root).replace(os.sep, "/"), file.read()


def _zip(files: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o100644 << 16
            packed = name.endswith((".xz", ".gz", ".zst", ".zip"))
            archive.writestr(entry, data, zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _digest64(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _requirements(lines: list[str]) -> Iterator[Requirement]:
    """Those of the package itself: what an extra asks for carries a marker after a semicolon."""
    for line in lines:
        if ";" not in line:
            name = re.match(r"[\w.-]+", line)
            if name is None:
                raise ValueError(f"the requirement {line!r} of this tradewind has no name")
            bounds = re.findall(r"(===|[<>=!~]=|[<>])\s*([^\s,()]+)", line[name.end() :])
            yield Requirement(name=name.group(), bounds=tuple((operator, version) for operator, version in bounds))
