"""Jobs on clusters through the API: which is the newest, where its log is, how it ended."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tradewind.cli import exits, rows
from tradewind.cli.daemon import cluster_resource
from tradewind.cli.errors import CliError

if TYPE_CHECKING:
    from tradewind.cli.daemon import Api


def log_path(cluster: str, job_id: int, *, follow: bool, rank: int | None = None) -> str:
    """The resource that streams a job's output."""
    chosen = "" if rank is None else f"&rank={rank}"
    return f"{cluster_resource(cluster)}/jobs/{job_id}/logs?follow={int(follow)}{chosen}"


def print_last(pieces: Iterable[bytes], count: int) -> None:
    """Print the last so many lines of a stream, bytes as they came."""
    held, last = b"", deque[bytes](maxlen=count)
    for piece in pieces:
        *lines, held = (held + piece).split(b"\n")
        last.extend(line + b"\n" for line in lines)
    if held:
        last.append(held)
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(last))
    sys.stdout.buffer.flush()


def keep(pieces: Iterable[bytes], name: str, rank: int | None) -> None:
    """The stream stands in a file of this directory, NAME.log or NAME-rank0.log, bytes as they came, and its path is printed.

    Raises:
        CliError: the file cannot be written.
    """
    path = os.path.abspath(f"{name}.log" if rank is None else f"{name}-rank{rank}.log")
    try:
        with open(path, "wb") as file:
            file.writelines(pieces)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.", exits.FAILED) from error
    print(path)


def newest(api: Api, cluster: str) -> int:
    """The id of the cluster's newest job.

    Raises:
        CliError: it has none.
    """
    found = api.get(f"{cluster_resource(cluster)}/jobs")
    if not found:
        raise CliError(f"{cluster} has no job yet; `tradewind exec {cluster} FILE` runs one.", exits.FAILED)
    return max(int(job["id"]) for job in found)


def verdict(api: Api, cluster: str, job_id: int) -> int:
    """Say on stderr how a job ended, and return the exit code: 0 when it succeeded, 1 otherwise."""
    found = [job for job in api.get(f"{cluster_resource(cluster)}/jobs") if int(job["id"]) == job_id]
    return said(found[0], f"job {job_id} on {cluster}") if found else exits.FAILED


def said(job: rows.Row, what: str) -> int:
    """Say on stderr what became of `what`; the exit code that goes with it."""
    why = f": {job['why']}" if job.get("why") else "."
    print(f"{what}: {job['state']}{why}", file=sys.stderr)
    return exits.OK if job["state"] == rows.SUCCEEDED else exits.FAILED
