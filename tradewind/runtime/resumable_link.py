"""A TLS link that carries a conversation on from where the last one broke."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tradewind.runtime import wire
from tradewind.runtime.link import Link, TlsLink
from tradewind.runtime.messages.conversation import Begin, Received

if TYPE_CHECKING:
    from tradewind.runtime.conversation import Conversation


class ResumableLink(TlsLink):
    """One of the links of a conversation; several may be open, and each side speaks over one of them only, after `resume`."""

    __slots__ = ("_counted", "_due", "_foreign", "_position", "conversation")

    def __init__(
        self,
        sock: ssl.SSLSocket,
        family: Any,
        want_write: Callable[[Link, bool], None],
        peer: Any,
        conversation: Conversation,
        due: Callable[[Received], None],
    ) -> None:
        """A link over a wrapped socket whose handshake has not been done; due posts what the other side is to be told."""
        super().__init__(sock, family, want_write, peer)
        self.conversation = conversation
        self._due = due
        self._counted = 0
        # How many messages of the other side's stream came before the next one here; below 0: it has not begun yet.
        self._position = -1
        self._foreign = False

    def resume(self) -> None:
        """This side speaks over this link from now on: what may not have arrived is sent again."""
        begin, frames = self.conversation.again()
        self._enqueue(wire.encode((begin,)), [])
        for frame in frames:
            self._enqueue(frame, [])

    def flush(self) -> None:
        """As Link's; what is sent is kept until the other side has it."""
        if self.pending and not self.closed:
            messages = self.pending
            self.pending = []
            frame = wire.encode(messages)
            self.conversation.say(len(messages), frame)
            self._enqueue(frame, [])

    def receive(self) -> list[Any] | None:
        """As Link's; what had arrived over an earlier link is left out. Raises ForgottenError, WireError."""
        messages = super().receive()
        if not messages:
            return messages
        conversation = self.conversation
        if self._position < 0:
            begin = messages.pop(0)
            if not isinstance(begin, Begin):
                raise wire.WireError("The peer did not say where its messages begin.")
            self._foreign = not conversation.on_begin(begin)
            self._position = begin.position
        if self._foreign:
            return []
        position = self._position
        self._position = position + len(messages)
        counted, self._counted = self._counted, self._taken
        messages = conversation.hear(position, messages, self._taken - counted)
        due = conversation.acknowledgement()
        if due is not None:
            self._due(due)
        return messages
