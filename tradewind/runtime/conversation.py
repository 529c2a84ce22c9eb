"""Both directions of what two members of a cluster say to each other, over one link after another. Pure.

Each side numbers its messages and keeps those that the other has not acknowledged. A new link begins with the number of its first message:
everything kept is sent again, and what had arrived already is known by its number. So a message arrives once, in order, however often links
break, as long as both sides live and remember each other.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from tradewind.runtime.messages.conversation import Begin, Received
from tradewind.runtime.wire import WireError


class ForgottenError(Exception):
    """The other side has forgotten what was said before: it took this side for gone."""


class Conversation:
    """What was said and heard so far."""

    __slots__ = ("_acknowledged", "_gone", "_kept", "_said", "_theirs", "heard", "stream")

    def __init__(self, stream: int) -> None:
        """Nothing was said yet; stream is a positive number, larger than that of any earlier conversation of this side with the other."""
        self.stream = stream
        self._kept: deque[tuple[int, bytes]] = deque()
        # Messages said; those of them that need not be kept any more.
        self._said = 0
        self._gone = 0
        # Messages heard of the other side's stream; those of them that it knows we have.
        self._theirs = 0
        self.heard = 0
        self._acknowledged = 0

    # what we say

    def say(self, count: int, frame: bytes) -> None:
        """The frame, of so many messages, is on its way, and kept until it is acknowledged."""
        self._said += count
        self._kept.append((self._said, frame))

    def on_received(self, message: Received) -> None:
        """The other side has so many messages."""
        kept = self._kept
        while kept and kept[0][0] <= message.count:
            self._gone = kept.popleft()[0]

    def again(self) -> tuple[Begin, list[bytes]]:
        """What a new link begins with: the frames that may not have arrived."""
        return Begin(self.stream, self._gone, self._theirs), [frame for _, frame in self._kept]

    @property
    def kept_bytes(self) -> int:
        """Bytes that may have to be sent again."""
        return sum(len(frame) for _, frame in self._kept)

    # what we hear

    def on_begin(self, message: Begin) -> bool:
        """False when the other side goes on with what is forgotten here: nothing on its link is for us. Raises ForgottenError."""
        if message.heard not in {0, self.stream}:
            return False
        if not self._theirs:
            if message.position:
                return False
            self._theirs = message.stream
        if message.stream > self._theirs:
            raise ForgottenError
        return message.stream == self._theirs

    def hear(self, position: int, messages: list[Any]) -> list[Any]:
        """Those of the messages, at this position of the stream, that had not arrived before. Raises WireError when some are missing."""
        known = self.heard - position
        if known < 0:
            raise WireError(f"{-known} messages of the peer are missing.")
        if known:
            messages = messages[known:]
        self.heard += len(messages)
        return messages

    @property
    def unacknowledged(self) -> int:
        """Messages that have arrived without the other side's knowing it."""
        return self.heard - self._acknowledged

    def acknowledge(self) -> Received:
        """What tells the other side that everything heard so far has arrived."""
        self._acknowledged = self.heard
        return Received(self.heard)
