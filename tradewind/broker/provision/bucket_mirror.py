"""One rank's checkpoints here and at a place of the person's own, kept in step. The form is the same at both: a manifest that is replaced last, and
the copies that it names, which never change. So what the manifest there names is whole, whenever either side dies.
"""

from __future__ import annotations

import os
import shutil

from tradewind.broker.bucket import Bucket, BucketError
from tradewind.broker.provision.kept import COPIES, MANIFEST, KeptList, commit, read_list

TRIES = 3


def push(place: Bucket, here: str, under: str) -> int:
    """What the store at `here` keeps stands below `under` at the place; the bytes that were sent. Only copies that are not there yet are.

    Raises BucketError; what the place had before is unharmed.
    """
    for attempt in range(1, TRIES + 1):
        mine = _manifest(here)
        if mine is None:
            return 0
        theirs = place.read(f"{under}/{MANIFEST}")
        if theirs == mine:
            return 0
        try:
            sent = _send(place, here, under, _read(mine, here), _known(theirs))
        except FileNotFoundError as error:
            if attempt == TRIES:
                raise BucketError(f"a checkpoint vanished from {here} while it was copied: {error}") from error
            continue  # the agent dropped an old copy meanwhile; its new manifest says so
        place.write(f"{under}/{MANIFEST}", mine)
        named = {copy.folder for copy in _read(mine, here).copies}
        copies = f"{under}/{COPIES}/"
        stand = place.names(f"{under}/{COPIES}")
        place.remove(name for name in stand if name.removeprefix(copies).partition("/")[0] not in named)
        return sent
    raise AssertionError("the last try returns or raises")


def pull(place: Bucket, here: str, under: str) -> bool:
    """The store at `here` is what stands below `under` at the place, if that has come further; whether it had. Raises BucketError.

    A file that is missing or damaged there is left so: who restores it notices, says so, and falls back to the copy before.
    """
    theirs = place.read(f"{under}/{MANIFEST}")
    if theirs is None:
        return False
    told, mine = _read(theirs, under), _manifest(here)
    known = _known(mine)
    if mine is not None and _read(mine, here).next_number >= told.next_number:
        return False
    for copy in told.copies:
        target = os.path.join(here, COPIES, copy.folder)
        if copy in known.copies and os.path.isdir(target):
            continue
        partial = f"{target}.coming"
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial, mode=0o700)
        for path in copy.paths():
            into = os.path.join(here, COPIES, f"{copy.folder}.coming", os.path.relpath(path, copy.folder))
            os.makedirs(os.path.dirname(into), mode=0o700, exist_ok=True)
            place.download(f"{under}/{COPIES}/{path}", into)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(partial, target)
    commit(here, theirs, {copy.folder for copy in told.copies})
    return True


def _send(place: Bucket, here: str, under: str, mine: KeptList, theirs: KeptList) -> int:
    sent = 0
    for copy in mine.copies:
        if copy not in theirs.copies:
            for path, file in zip(copy.paths(), copy.files, strict=True):
                place.upload(os.path.join(here, COPIES, path), f"{under}/{COPIES}/{path}")
                sent += file.size
    return sent


def _manifest(here: str) -> bytes | None:
    try:
        with open(os.path.join(here, MANIFEST), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _read(data: bytes, where: str) -> KeptList:
    try:
        return read_list(data)
    except ValueError as error:
        raise BucketError(f"{where}: {error}") from error


def _known(data: bytes | None) -> KeptList:
    """What is listed; nothing where there is no list, or one that cannot be read and is about to be replaced."""
    try:
        return KeptList() if data is None else read_list(data)
    except ValueError:
        return KeptList()
