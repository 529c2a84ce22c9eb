"""`tradewind demo`, which `make demo` calls."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--seed",
    type=int,
    default=7,
    show_default=True,
    help="Draws which instance is taken, and when, from recorded spot traces.",
)
@click.option("--keep", is_flag=True, help="Leave the private data directory (record, logs, checkpoints) to look at.")
def demo(seed: int, *, keep: bool) -> int:
    """Plan, launch, train, lose a machine, recover, bill: rehearsed on this machine in under two minutes.

    It uses a data directory and a daemon of its own, touches no cloud, and ends with exit code 0 only if training reached its
    accuracy and nothing is left.
    """
    from tradewind.cli.demo.play import play

    return play(seed, keep=keep)
