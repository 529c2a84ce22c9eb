from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.runtime.conversation import Conversation, ForgottenError
from tradewind.runtime.messages.conversation import Begin, Received
from tradewind.runtime.wire import WireError


class Side:
    """One side, and the link that it speaks over just now."""

    def __init__(self) -> None:
        self.conversation = Conversation(1)
        self.out: deque[object] = deque()
        self.position = -1
        self.got: list[object] = []
        self.said = 0
        self.dial()

    def dial(self) -> None:
        """A new link, on which the other side has heard nothing."""
        begin, frames = self.conversation.again()
        self.out = deque([begin, *frames])

    def say(self, messages: list[object]) -> None:
        self.conversation.say(len(messages), messages)  # type: ignore[arg-type]  # frames are opaque
        self.out.append(messages)

    def hear(self, other: Side) -> None:
        """The next thing that the other side has sent arrives."""
        if not other.out:
            return
        item = other.out.popleft()
        if isinstance(item, Begin):
            assert self.conversation.on_begin(item)
            self.position = item.position
            return
        assert isinstance(item, list)
        messages = self.conversation.hear(self.position, item)
        self.position += len(item)
        for message in messages:
            if isinstance(message, Received):
                self.conversation.on_received(message)
            else:
                self.got.append(message)
        if self.conversation.unacknowledged >= 64:
            self.say([self.conversation.acknowledge()])


@given(st.lists(st.tuples(st.sampled_from(["say", "hear", "break"]), st.booleans(), st.integers(1, 90)), max_size=200))
def test_every_message_arrives_once_in_order_over_links_that_break(story: list[tuple[str, bool, int]]) -> None:
    sides = (Side(), Side())
    for what, which, count in story:
        side, other = sides[which], sides[not which]
        if what == "say":
            side.say(list(range(side.said, side.said + count)))
            side.said += count
        elif what == "hear":
            other.hear(side)
        else:
            side.dial()
    for _ in range(2):
        for side, other in (sides, sides[::-1]):
            side.dial()
            while side.out:
                other.hear(side)
    for side, other in (sides, sides[::-1]):
        assert other.got == list(range(side.said))
        assert len(side.conversation.again()[1]) <= 200, "what has arrived is not kept for ever"


def test_a_side_that_was_forgotten_is_not_heard_and_one_that_begins_anew_is_noticed() -> None:
    conversation = Conversation(1)
    assert not conversation.on_begin(Begin(3, 7)), "the messages before were for somebody who is no more"
    assert not conversation.on_begin(Begin(3, 0, heard=7)), (
        "nor does it matter what was said to that one and not acknowledged"
    )
    assert conversation.on_begin(Begin(4, 0))
    assert conversation.on_begin(Begin(4, 0, heard=1))
    assert not conversation.on_begin(Begin(3, 0)), "late, from before"
    with pytest.raises(ForgottenError):
        conversation.on_begin(Begin(5, 0))


def test_a_gap_is_not_passed_over() -> None:
    conversation = Conversation(1)
    conversation.on_begin(Begin(1, 0))
    with pytest.raises(WireError):
        conversation.hear(1, ["second"])
