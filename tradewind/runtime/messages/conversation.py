"""What links between nodes say about themselves, so that a link that broke can be made anew without losing or repeating a message."""

from __future__ import annotations

from tradewind.runtime.wire import Message


class Begin(Message, frozen=True, tag=100):
    """The first message on a link: which of the sender's streams goes on here, how many of its messages came before, and which stream of the
    receiver the sender has heard (0: none yet).
    """

    stream: int
    position: int
    heard: int = 0


class Received(Message, frozen=True, tag=101):
    """So many messages of the receiver's stream have arrived in all: they need not be kept any longer."""

    count: int
