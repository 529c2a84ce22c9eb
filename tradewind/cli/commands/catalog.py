"""`tradewind catalog`: what the snapshot holds and what is set aside."""

from __future__ import annotations

import click


@click.group()
def catalog() -> None:
    """The catalog itself: what is in it, what is set aside."""
