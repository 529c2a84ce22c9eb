from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.runtime import wire
from tradewind.runtime.messages import cluster, control, neighbour, peer

VALUES = st.one_of(
    st.binary(max_size=50),
    st.builds(
        peer.Value.__args__[1], st.text(max_size=5), st.integers(0, 2**40), st.integers(0, 2**40), st.text(max_size=5)
    ),
)
MESSAGES = st.one_of(
    st.builds(
        peer.Task,
        st.integers(1, 2**50),
        st.one_of(st.integers(1, 1000), st.text(max_size=9)),
        VALUES,
        st.integers(0, 9),
    ),
    st.builds(peer.Done, st.integers(1, 2**50), st.integers(0, 2**31), VALUES),
    st.builds(peer.Borrow, st.integers(1, 2**50)),
    st.builds(peer.HandBack, st.lists(st.integers(1, 99), max_size=5), st.integers(0, 9), st.booleans()),
)


@given(st.lists(st.lists(MESSAGES, min_size=1, max_size=5), max_size=6), st.data())
def test_messages_arrive_whole_and_in_order_however_the_stream_is_cut(
    batches: list[list[object]], data: st.DataObject
) -> None:
    stream = b"".join(bytes(wire.encode(batch)) for batch in batches)
    reader: wire.FrameReader[object] = wire.FrameReader(peer.PeerMessage)
    received: list[object] = []
    position = 0
    while position < len(stream):
        step = data.draw(st.integers(1, len(stream) - position))
        received += reader.feed(stream[position : position + step])
        position += step
    assert received == [message for batch in batches for message in batch]
    assert reader.pending_bytes == 0


@given(st.binary(min_size=1, max_size=60))
def test_foreign_bytes_are_an_error_or_wait_for_more_and_never_a_message_of_nonsense(junk: bytes) -> None:
    reader: wire.FrameReader[object] = wire.FrameReader(peer.PeerMessage)
    try:
        messages = reader.feed(junk)
    except wire.WireError:
        return
    assert all(isinstance(message, wire.Message) for message in messages)


def test_an_announced_giant_is_refused_before_anything_is_held() -> None:
    reader: wire.FrameReader[object] = wire.FrameReader(peer.PeerMessage)
    with pytest.raises(wire.WireError, match="limit"):
        reader.feed((wire.MAX_FRAME_BYTES + 1).to_bytes(4, "little"))


@pytest.mark.parametrize(
    "family",
    [
        peer.PeerMessage,
        control.ToNode,
        control.FromNode,
        cluster.ToHead,
        cluster.FromHead,
        neighbour.NodeToNode,
        cluster.HeadQuestion,
    ],
)
def test_tags_are_unique_in_their_family(family: object) -> None:
    tags = [kind.__struct_config__.tag for kind in family.__args__]
    assert len(set(tags)) == len(tags)
