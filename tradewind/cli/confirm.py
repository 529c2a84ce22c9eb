"""Asking before anything is bought."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import sys

import click

from tradewind.cli import exits
from tradewind.cli.errors import CliError


def confirm(question: str, *, yes: bool) -> None:
    """Return once a person said yes (or `-y` did).

    Raises:
        CliError: they said no, or nobody is there to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError(
            "nobody is here to confirm this (stdin is no terminal); nothing was done. Pass -y to go ahead.",
            exits.BAD_INPUT,
        )
    click.echo(f"{question} [y/N]: ", nl=False, err=True)
    if _answer().strip().lower() not in ("y", "yes"):
        raise CliError("not confirmed; nothing was done.", exits.FAILED)


def _answer() -> str:
    """The line that is typed next; empty at the end of the input.

    Not `input()`: a Ctrl-C that comes between its last look at signals and its read leaves it waiting for a key. The signal writes to a socket
    here, so that the wait ends however early it comes.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    rung, bell = socket.socketpair()
    with contextlib.ExitStack() as after:
        after.callback(bell.close)
        after.callback(rung.close)
        bell.setblocking(False)
        after.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(bell.fileno()))
        while sys.stdin not in select.select([sys.stdin, rung], [], [])[0]:
            rung.recv(16)  # a signal that raised nothing, such as a changed window size
        return sys.stdin.readline()
