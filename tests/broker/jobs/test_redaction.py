"""Stars over secrets, wherever the stream is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.jobs.redaction import Redactor

SECRETS = ["hunter22", "aabaab", "-----BEGIN KEY-----\nMIIabcdef\n-----END KEY-----"]


def through(secrets, chunks):
    redactor = Redactor(secrets)
    return b"".join(redactor.feed(chunk) for chunk in chunks) + redactor.rest()


@given(
    st.lists(st.sampled_from([*SECRETS, "hunter2", "aab", "x", "\n", "MIIabcdef"]), max_size=12).map("".join),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_cut_anywhere_nothing_of_a_secret_is_left_and_nothing_moves(text, cuts):
    data = text.encode()
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    starred = through(SECRETS, [data[a:b] for a, b in zip(edges, edges[1:], strict=False)])
    assert len(starred) == len(data), "bytes keep their places, so offsets stay true"
    assert all(secret.encode() not in starred for secret in [*SECRETS, "MIIabcdef"])
    assert all(a == b or a == ord("*") for a, b in zip(starred, data, strict=True))


def test_what_is_not_secret_is_not_held_back():
    redactor = Redactor(["hunter22"])
    assert redactor.feed(b"line\n") == b"line\n"
    assert redactor.feed(b"hunt") == b""
    assert redactor.feed(b"ing\n") == b"hunting\n"
    assert Redactor(["abc"]).text("abc") == "abc", "too short to hide"
    assert Redactor(["hunter22"]).text("is hunter22!") == "is ********!"
