"""Checkpoints of a job on a cloud's instance, relayed over its connection: the agent keeps them on the instance, and each kept copy comes here at
once; before the job goes on elsewhere they are put there.

What lies here is always whole: a copy's files are written beside their place, checked against the sha256 that the agent's manifest names, and the
manifest is replaced last, as the agent itself does (the store's form is that of the agent's file store).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import posixpath
import shutil
from urllib.parse import unquote, urlsplit

from tradewind.broker.provider import Transport
from tradewind.broker.provision.kept import COPIES, MANIFEST, KeptCopy, commit, read_list

CHUNK_BYTES = 8 << 20
FETCH_TIMEOUT_S = 600.0
TRIES = 3
KEPT = ".tradewind/kept"


class RelayError(Exception):
    """A checkpoint could not be brought here; one sentence."""


def store_on_instance(home: str, uri: str) -> str:
    """The URI of the agent's own store for a job whose checkpoints belong into the store at `uri`."""
    return f"file://{posixpath.join(home, KEPT, os.path.basename(local_path(uri)))}"


async def push(transport: Transport, uri: str, rank: int) -> None:
    """What the store at `uri` has for the rank lies on the instance, where the agent looks for it. Raises ProviderError."""
    here = os.path.join(local_path(uri), f"rank-{rank}")
    if await asyncio.to_thread(os.path.isdir, here):
        there = posixpath.join(KEPT, os.path.basename(local_path(uri)), f"rank-{rank}")
        await transport.put(here, there)


async def pull(transport: Transport, uri: str, rank: int) -> int:
    """Every copy that the agent's store names lies in the store at `uri`; the bytes that were fetched.

    Raises:
        ProviderError: the connection was lost; what was there before is unharmed.
        RelayError: what came is not what the agent kept.
    """
    there = posixpath.join(transport.home, KEPT, os.path.basename(local_path(uri)), f"rank-{rank}")
    here = os.path.join(local_path(uri), f"rank-{rank}")
    for attempt in range(1, TRIES + 1):
        told = await transport.run(["cat", posixpath.join(there, MANIFEST)], timeout_s=FETCH_TIMEOUT_S)
        if told.exit_code != 0:
            return 0  # the job has kept nothing yet
        copies = _decoded(told.stdout)
        try:
            fetched = [await _pull_copy(transport, there, here, copy) for copy in copies]
        except RelayError:
            if attempt == TRIES:
                raise
            continue  # the agent may have dropped an old copy meanwhile; its new manifest says so
        await asyncio.to_thread(commit, here, told.stdout, {copy.folder for copy in copies})
        return sum(fetched)
    raise AssertionError("the last try returns or raises")


async def _pull_copy(transport: Transport, there: str, here: str, copy: KeptCopy) -> int:
    place = os.path.join(here, COPIES, copy.folder)
    if await asyncio.to_thread(os.path.isdir, place):
        return 0
    partial = f"{place}.coming"
    await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
    await asyncio.to_thread(os.makedirs, partial, 0o700, exist_ok=True)
    for file in copy.files:
        name = file.path or copy.name
        target = os.path.join(partial, name)
        await asyncio.to_thread(os.makedirs, os.path.dirname(target), 0o700, exist_ok=True)
        digest = await _fetch(transport, posixpath.join(there, COPIES, copy.folder, name), target, file.size)
        if digest != file.sha256:
            raise RelayError(f"checkpoint {copy.name}: {name} arrived with another content than the agent kept")
        os.utime(target, ns=(file.mtime_ns, file.mtime_ns))
    await asyncio.to_thread(os.rename, partial, place)
    return sum(file.size for file in copy.files)


async def _fetch(transport: Transport, source: str, target: str, size: int) -> str:
    """The sha256 (hex) of what was read from the instance's `source` and written, flushed, to `target`."""
    digest = hashlib.sha256()
    with await asyncio.to_thread(open, target, "wb") as out:
        for number in range(-(-size // CHUNK_BYTES)):
            read = ["dd", f"if={source}", f"bs={CHUNK_BYTES}", f"skip={number}", "count=1", "status=none"]
            got = await transport.run(read, timeout_s=FETCH_TIMEOUT_S)
            if got.exit_code != 0:
                said = got.stderr.decode(errors="replace").strip()
                raise RelayError(f"the checkpoint {source} cannot be read on its instance: {said}")
            digest.update(got.stdout)
            await asyncio.to_thread(out.write, got.stdout)
        out.flush()
        await asyncio.to_thread(os.fsync, out.fileno())
    return digest.hexdigest()


def _decoded(data: bytes) -> tuple[KeptCopy, ...]:
    try:
        return read_list(data).copies
    except ValueError as error:
        raise RelayError(str(error)) from error


def local_path(uri: str) -> str:
    """The directory that a file:// URI names."""
    return unquote(urlsplit(uri).path).rstrip("/")


def is_relayed(uri: str, provider: str) -> bool:
    """Whether the job's store lies here while its instances lie elsewhere."""
    return uri.startswith("file://") and provider != "local"
