"""Asking before anything is bought."""

from __future__ import annotations

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
    if not click.confirm(question, default=False, err=True):
        raise CliError("not confirmed; nothing was done.", exits.FAILED)
