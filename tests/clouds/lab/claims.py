"""Addresses that one test run has to itself: routes belong to the whole machine, and another run's hosts may want the same."""

from __future__ import annotations

import errno
import socket
import time

PATIENCE_S = 100.0


def claim(address: str, *, patience_s: float = PATIENCE_S) -> socket.socket:
    """Nobody else on this machine has the address until the socket is closed, or we end.

    Raises:
        TimeoutError: another run kept it for all of `patience_s` seconds.
    """
    deadline = time.monotonic() + patience_s
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    while True:
        try:
            held.bind(f"\0tradewind-lab-{address}")  # an abstract name: the kernel forgets it with the socket
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                held.close()
                raise TimeoutError(f"{address} belongs to another test run on this machine") from error
            time.sleep(0.05)
        else:
            return held


def first_free(blocks: int, start: int) -> tuple[int, socket.socket]:
    """The first block of addresses that no other test run has, counted on from `start`, and what holds it. Raises TimeoutError."""
    for number in range(blocks):
        block = (start + number) % blocks
        try:
            return block, claim(f"block-{block}", patience_s=0)
        except TimeoutError:
            continue
    raise TimeoutError(f"all {blocks} blocks of addresses belong to other test runs on this machine")
