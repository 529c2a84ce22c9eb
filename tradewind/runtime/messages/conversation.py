"""What links between nodes say about themselves, so that a link that broke can be made anew without losing or repeating a message."""

from __future__ import annotations

from tradewind.runtime.wire import Message


class Begin(Message, frozen=True, tag=100):
    """The first message on a link: which of the sender's streams goes on here, and how many of its messages came before."""

    stream: int
    position: int


class Received(Message, frozen=True, tag=101):
    """So many messages of the receiver's stream have arrived in all: they need not be kept any longer."""

    count: int
