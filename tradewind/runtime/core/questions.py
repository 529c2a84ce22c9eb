"""What a process asks its node daemon and, through it, the head; and the answers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from tradewind.runtime import exceptions
from tradewind.runtime.core.pump import Waiter
from tradewind.runtime.messages import cluster, control

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process

_understood: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(cluster.HeadQuestion)


class Reply(Waiter):
    """A question to the node daemon and its answer."""

    __slots__ = ("message",)

    def __init__(self) -> None:
        super().__init__()
        self.message: Any = None


class Questions:
    """Questions without an answer yet, by number."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._requests = itertools.count(1)
        self._replies: dict[int, Any] = {}
        self._head_replies: dict[int, Callable[[Any], None]] = {}

    def next_request(self) -> int:
        """A number for a question."""
        return next(self._requests)

    def ask_node(self, make: Callable[[int], Any]) -> Any:
        """The node daemon's answer to make(number). Raises RaySystemError when the daemon is gone."""
        reply = Reply()
        with self._process.lock:
            self.ask_node_later(make, reply)
            self._process.flush_all()
        self._process.pump.wait(reply)
        if reply.message is None:
            raise exceptions.RaySystemError(self._process.broken or "The node daemon is gone.")
        return reply.message

    def ask_node_later(self, make: Callable[[int], Any], reply: Any) -> None:
        """The node daemon's answer to make(number) becomes reply's message, and reply is finished; without a message when the daemon is gone."""
        if self._process.broken:
            reply.finish()
            return
        number = next(self._requests)
        self._replies[number] = reply
        self._process.tell_node(make(number))

    def on_reply(self, message: Any) -> None:
        """The node daemon has answered. Under the lock."""
        reply = self._replies.pop(message.request, None)
        if reply is not None:
            reply.message = message
            reply.finish()

    def ask_head(self, question: Any, answered: Callable[[Any], None]) -> None:
        """Answered gets the head's answer, under the lock. Raises TypeError for a question that holds what none of its kind can, and sends nothing."""
        try:
            _understood.decode(msgspec.msgpack.encode(question))
        except msgspec.DecodeError as error:
            # A node daemon drops who sends it nonsense, and here that would be the user's whole program.
            raise TypeError(
                f"The cluster was asked something with a wrong type in it ({error}); check the arguments of this call."
            ) from None
        with self._process.lock:
            if self._process.broken:
                answered(cluster.Accepted(self._process.broken))
                return
            number = next(self._requests)
            self._head_replies[number] = answered
            self._process.tell_node(control.Ask(number, question))

    def head(self, question: Any, timeout: float | None = None) -> Any:
        """The head's answer. Raises GetTimeoutError, RaySystemError."""
        reply = Reply()

        def answered(message: Any) -> None:
            reply.message = message
            reply.finish()

        with self._process.lock:
            self.ask_head(question, answered)
            self._process.flush_all()
        if not self._process.pump.wait(reply, None if timeout is None else time.monotonic() + timeout):
            raise exceptions.GetTimeoutError(f"The head did not answer within {timeout:g} s.")
        self._process.check_interrupt()
        if reply.message is None:
            raise exceptions.RaySystemError("The head is gone.")
        return reply.message

    def on_answer(self, message: control.Answer) -> None:
        """The head has answered. Under the lock."""
        answered = self._head_replies.pop(message.request, None)
        if answered is not None:
            answered(message.body)

    def give_up(self, reason: str) -> None:
        """Nobody will answer any more. Under the lock."""
        for reply in self._replies.values():
            reply.finish()
        self._replies.clear()
        for answered in list(self._head_replies.values()):
            answered(cluster.Accepted(reason))
        self._head_replies.clear()
