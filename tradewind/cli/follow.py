"""Following what the daemon tells: a job's output on stdout, the stages of its life on stderr, until it has ended or Ctrl-C detaches."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

from tradewind.cli import exits, progress, terminal, timeline
from tradewind.cli.errors import CliError

if TYPE_CHECKING:
    from tradewind.cli.daemon import Api
    from tradewind.cli.progress import Hush


MAX_FAILURES = 3  # of the daemon in a row, without a byte between them


def watched() -> TextIO | None:
    """Where progress goes: stderr when a person looks at it, nowhere in a pipe."""
    return sys.stderr if sys.stderr.isatty() else None


@contextmanager
def interrupted(sentence: str) -> Iterator[None]:
    """Ctrl-C within says the sentence: what has become of what was asked for, and how to come back to it."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        print(file=sys.stderr)
        raise CliError(sentence, exits.INTERRUPTED) from None


def detaching(back: str) -> AbstractContextManager[None]:
    """Turn Ctrl-C into a detachment: what was launched goes on, and `back` is the line that comes back to it."""
    return interrupted(f"detached; it goes on running. Come back with `{back}`.")


def copy_logs(api: Api, path: str, *, hush: Hush = lambda: None) -> None:
    """Copy a log stream to stdout until it ends; bytes as they came. A daemon that dies meanwhile is started again, and nothing is told twice.

    `hush` is called before the first of them.

    Raises:
        CliError: the daemon refuses, or dies again and again without telling anything new.
    """
    sys.stdout.flush()
    out = sys.stdout.buffer
    told, failures = 0, 0
    while True:
        skip = told
        try:
            for chunk in api.stream(path):
                rest = chunk[skip:]
                skip = max(0, skip - len(chunk))
                if rest:
                    hush()
                    out.write(rest)
                    out.flush()
                    told, failures = told + len(rest), 0
            return
        except CliError as error:
            failures += 1
            if error.exit_code != exits.UNREACHABLE or failures > MAX_FAILURES:
                raise
            api.again()


def events(api: Api, subject: str, *, after: int = 0, follow: bool = False) -> Iterator[dict[str, Any]]:
    """The subject's event rows, oldest first; with `follow` also those to come, until the subject has ended."""
    from urllib.parse import quote

    path = f"/v1/events?subject={quote(subject, safe='')}&after={after}"
    if not follow:
        yield from api.get(path)
        return
    rest = b""
    for chunk in api.stream(path + "&follow=1"):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())


@contextmanager
def stages(
    api: Api, subject: str, since_unix: float, *, out: TextIO | None = None, linger_s: float = 10.0
) -> Iterator[Hush]:
    """While the block runs, print each stage of the subject's life on `out` as it happens, and for `linger_s` those that follow its end.

    Below them one line says what it waits for now, with how far its files are, until the block calls what it is given: its job speaks.
    """
    if out is None:
        yield lambda: None
        return
    colour = terminal.colourful(out)
    line = progress.Line(out)

    def show() -> None:
        try:
            for event in events(api, subject, follow=True):
                if not timeline.is_stage(event, subject):
                    continue
                sys.stdout.flush()
                line.above(timeline.line(event, since_unix, colour=colour, limit=terminal.width(out)))
        except (CliError, OSError, ValueError):
            return  # the main connection will say what is wrong

    # A daemon thread: after Ctrl-C nobody waits for the stream that it reads.
    watcher = threading.Thread(target=show, name="stages", daemon=True)
    watcher.start()
    if progress.writes_over(out):
        with progress.ticking(line, lambda: _waits_for(api, subject)) as hush:
            yield hush
    else:
        yield lambda: None
    watcher.join(timeout=linger_s)


_COMING_UP = frozenset({"PLANNED", "PROVISIONING", "BOOTSTRAPPING", "PENDING", "STARTING", "RECOVERING"})


def _waits_for(api: Api, subject: str) -> str:
    """What a cluster or managed job that is coming up waits for; "" once it is there, and when nobody says."""
    from tradewind.cli.daemon import cluster_resource

    kind, _, key = subject.partition("/")
    try:
        row = api.get(f"/v1/jobs/{key}" if kind == "job" else cluster_resource(key))
    except CliError:
        return ""
    if row["state"] not in _COMING_UP:
        return ""
    return f"{row['state'].lower()}: waits for {row['waiting_for'] or 'its machines'}"


@contextmanager
def files_of(api: Api, cluster: str, job_id: int, *, out: TextIO | None = None) -> Iterator[Hush]:
    """While the block runs, one line on `out` says how far the files of a cluster's job are, until the block calls what it is given."""
    if out is None or not progress.writes_over(out):
        yield lambda: None
        return
    from tradewind.cli.daemon import cluster_resource

    def said() -> str:
        try:
            found = api.get(f"{cluster_resource(cluster)}/jobs")
        except CliError:
            return ""
        return next(
            (f"waits for {job['waiting_for']}" for job in found if job["id"] == job_id and job["waiting_for"]), ""
        )

    with progress.ticking(progress.Line(out), said) as hush:
        yield hush
