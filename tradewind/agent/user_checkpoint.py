"""What `tradewind.checkpoint` hands to user code. It needs no agent: without one, checkpoints lie in ./checkpoints.

A checkpoint is one file, renamed into place once it is whole: `step-000000000123.npz` where every value of the state is a numpy array, else `.pkl`.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

State = Mapping[str, Any]

_ENVIRONMENT = "TRADEWIND_CHECKPOINT_DIR"
_STEP = re.compile(r"step-(\d{12,})\.(?:npz|pkl)\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
# What reading a damaged file raises: pickle's own list is "not necessarily limited to" (its documentation) these
_DAMAGE = (
    OSError, EOFError, ValueError, KeyError, AttributeError, ImportError, IndexError, TypeError,
    pickle.UnpicklingError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def directory() -> str:
    """The directory of this job's checkpoints on this rank, made if it was not there: TRADEWIND_CHECKPOINT_DIR, else ./checkpoints."""
    path = os.environ.get(_ENVIRONMENT) or os.path.abspath("checkpoints")
    os.makedirs(path, exist_ok=True)
    return path


def save(name_or_step: int | str, state: State, *, keep: int | None = 3) -> str:
    """A whole checkpoint of `state` stands under that step or name; returns its path. A crash at any point leaves the earlier ones.

    Steps count up: of the numbered checkpoints the newest `keep` stay (None: all). A name is written over each time.

    Args:
        name_or_step: a step >= 0, or a name of letters, digits, ".", "_" and "-".
        state: values by name. Numpy arrays alone are stored without pickling; anything else must pickle.
        keep: how many numbered checkpoints stay.

    Raises:
        ValueError: the step is negative, the name has other characters, or `keep` is under 1.
    """
    if keep is not None and keep < 1:
        raise ValueError(f"keep must be at least 1 or None, not {keep}")
    stem = _stem(name_or_step)
    where = directory()
    is_arrays = _is_arrays(state)
    path = os.path.join(where, stem + (".npz" if is_arrays else ".pkl"))
    partial = os.path.join(where, f".{stem}.{os.getpid()}.tmp")
    try:
        with open(partial, "wb") as file:
            _write(file, state, is_arrays=is_arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
    other = os.path.join(where, stem + (".pkl" if is_arrays else ".npz"))
    if os.path.exists(other):  # the same name was saved with other kinds of values before
        os.unlink(other)
    if isinstance(name_or_step, int) and keep is not None:
        for _, old in _numbered(where)[keep:]:
            os.unlink(old)
    return path


def latest() -> tuple[int | str, dict[str, Any]] | None:
    """The newest whole checkpoint as (step or name, state), or None where there is none; damaged ones are passed over with a line on stderr.

    Numbered checkpoints go first, by step; without any, the named one written last.
    """
    where = directory()
    candidates: list[tuple[int | str, str]] = list(_numbered(where)) or list(_named(where))
    for label, path in candidates:
        try:
            return label, _read(path)
        except _DAMAGE as error:
            print(f"tradewind: checkpoint {path} cannot be read ({error!r}); trying the one before it", file=sys.stderr)
    return None


def _stem(name_or_step: int | str) -> str:
    if isinstance(name_or_step, int):
        if name_or_step < 0:
            raise ValueError(f"a step counts up from 0, it cannot be {name_or_step}")
        return f"step-{name_or_step:012d}"
    if not _NAME.match(name_or_step) or name_or_step.endswith((".tmp", ".partial")):
        raise ValueError(f"{name_or_step!r} cannot name a checkpoint: use letters, digits, '.', '_' and '-'")
    return name_or_step


def _numbered(where: str) -> list[tuple[int, str]]:
    """Numbered checkpoints, newest first."""
    found = [(int(match[1]), os.path.join(where, name)) for name in os.listdir(where) if (match := _STEP.match(name))]
    return sorted(found, reverse=True)


def _named(where: str) -> list[tuple[str, str]]:
    """Named checkpoints, the one written last first."""
    found = []
    for name in os.listdir(where):
        stem, extension = os.path.splitext(name)
        if extension in (".npz", ".pkl") and not name.startswith("."):
            path = os.path.join(where, name)
            found.append((os.stat(path).st_mtime_ns, stem, path))
    return [(stem, path) for _, stem, path in sorted(found, reverse=True)]


def _is_arrays(state: State) -> bool:
    numpy = sys.modules.get("numpy")  # a state that holds an array has imported it
    return (
        numpy is not None
        and bool(state)
        and all(isinstance(name, str) and type(value) is numpy.ndarray for name, value in state.items())
        and not any(value.dtype.hasobject for value in state.values())
    )


def _write(file: BinaryIO, state: State, *, is_arrays: bool) -> None:
    if not is_arrays:
        pickle.dump(dict(state), file, protocol=5)
        return
    import numpy as np

    # Not np.savez(**state): its keywords would clash with arrays named "file" or "allow_pickle".
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, value in state.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, value, allow_pickle=False)


def _read(path: str) -> dict[str, Any]:
    if path.endswith(".pkl"):
        with open(path, "rb") as file:
            loaded = pickle.load(file)  # written by this job's own earlier life, in a directory of its own
        return dict(loaded)
    import numpy as np

    with (
        open(path, "rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):  # np.load(path) leaves a damaged file open
        return {name: archive[name] for name in archive.files}
