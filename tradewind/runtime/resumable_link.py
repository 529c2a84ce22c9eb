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

# What may have arrived without being acknowledged: that much the other side keeps in its memory.
_ACKNOWLEDGE_MESSAGES = 64
_ACKNOWLEDGE_BYTES = 1 << 18


class ResumableLink(TlsLink):
    """One of the links of a conversation; several may be open, and each side speaks over one of them only, after `resume`.

    Until it is known whose link it is, what comes before `listen` is received as it is.
    """

    __slots__ = ("_conversation", "_counted", "_foreign", "_position")

    def __init__(
        self, sock: ssl.SSLSocket, family: Any, want_write: Callable[[Link, bool], None], peer: Any = None
    ) -> None:
        """A link over a wrapped socket whose handshake has not been done."""
        super().__init__(sock, family, want_write, peer)
        self._conversation: Conversation | None = None
        # How many messages of the other side's stream came before the next one here; below 0: it has not begun yet.
        self._position = -1
        self._foreign = False
        # Of the bytes received, those that were acknowledged.
        self._counted = 0

    def resume(self, conversation: Conversation) -> None:
        """This side speaks over this link from now on: what may not have arrived is sent again."""
        self._conversation = conversation
        begin, frames = conversation.again()
        self._enqueue(wire.encode((begin,)), [])
        for frame in frames:
            self._enqueue(frame, [])

    def flush(self) -> None:
        """As Link's; what is sent is kept until the other side has it."""
        conversation = self._conversation
        if conversation is None:
            super().flush()
        elif self.pending and not self.closed:
            messages = self.pending
            self.pending = []
            frame = wire.encode(messages)
            conversation.say(len(messages), frame)
            self._enqueue(frame, [])

    def listen(self, conversation: Conversation, messages: list[Any]) -> list[Any]:
        """What comes, and these messages that came already, belongs to the conversation; those of them that had not arrived before."""
        self._conversation = conversation
        return self._sift(conversation, messages)

    def receive(self) -> list[Any] | None:
        """As Link's; what had arrived over an earlier link is left out. Raises ForgottenError, WireError."""
        messages = super().receive()
        conversation = self._conversation
        if not messages or conversation is None:
            return messages
        if self._position != conversation.heard:
            return self._sift(conversation, messages)
        # Nothing of it had arrived before, as most often.
        self._position += len(messages)
        conversation.heard = self._position
        return messages

    def _sift(self, conversation: Conversation, messages: list[Any]) -> list[Any]:
        if self._position < 0 and messages and not self._foreign:
            begin = messages.pop(0)
            if not isinstance(begin, Begin):
                raise wire.WireError("The peer did not say where its messages begin.")
            self._foreign = not conversation.on_begin(begin)
            self._position = begin.position
            if self._foreign:
                # Never where the conversation stands.
                self._position = -1
        if self._foreign or not messages:
            return []
        position = self._position
        self._position = position + len(messages)
        return conversation.hear(position, messages)

    @property
    def is_foreign(self) -> bool:
        """True when the other side goes on with what is forgotten here: nothing that comes is heard."""
        return self._foreign

    def acknowledgement(self) -> Received | None:
        """What the other side is to be told now, if it is time."""
        conversation = self._conversation
        if conversation is None:
            return None
        if self._taken - self._counted < _ACKNOWLEDGE_BYTES and conversation.unacknowledged < _ACKNOWLEDGE_MESSAGES:
            return None
        self._counted = self._taken
        return conversation.acknowledge()
