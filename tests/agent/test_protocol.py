"""The wire: what is encoded is decoded as it was."""

from __future__ import annotations

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.agent import protocol
from tradewind.agent.protocol import AgentEvent, Call, Item, LogChunk, Reply


def values_of(kind: type) -> st.SearchStrategy:
    """Values of a frozen struct, field by field."""
    fields = msgspec.structs.fields(kind)
    return st.builds(kind, **{field.name: values(field.type) for field in fields})


def values(kind) -> st.SearchStrategy:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if arguments:
        return st.one_of(*(values(one) for one in arguments))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return values_of(kind)
    simple = {
        str: st.text(max_size=20), int: st.integers(-(2**63), 2**63 - 1), bytes: st.binary(max_size=20),
        bool: st.booleans(), float: st.floats(allow_nan=False), type(None): st.none(),
    }  # fmt: skip
    return simple[kind]


def body(frame: bytes) -> bytes:
    (size,) = protocol.HEADER.unpack(frame[:4])
    assert size == len(frame) - 4
    return frame[4:]


call_id = st.integers(0, 2**63 - 1)


@given(call_id, values(protocol.Order))
def test_orders(number, order):
    call = Call(number, order)
    assert protocol.decode_call(body(protocol.encode_frame(call))) == call


@given(call_id, values(protocol.Answer))
def test_answers(number, answer):
    reply = Reply(number, answer)
    assert protocol.decode_answer(body(protocol.encode_frame(reply))) == reply


@given(call_id, values(LogChunk | AgentEvent))
def test_items(number, content):
    item = Item(number, content)
    assert protocol.decode_answer(body(protocol.encode_frame(item))) == item


@given(st.binary(max_size=200))
def test_nonsense_raises_what_is_said(data):
    try:
        protocol.decode_call(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass


def test_a_frame_over_the_limit_is_not_made():
    with pytest.raises(ValueError, match="over the limit"):
        protocol.encode_frame(Item(1, LogChunk(0, bytes(protocol.MAX_FRAME_BYTES))))


def test_the_socket_is_where_both_sides_look():
    assert protocol.agent_socket_path("/x/home") == "/x/home/.tradewind/agent/agent.sock"
