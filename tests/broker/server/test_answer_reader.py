"""Answers come out whole, however they are cut; what is none, or ends early, is said."""

from __future__ import annotations

import http.client
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.server.answer_reader import AnswerReader, BrokenAnswer

PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def chunked(pieces: list[bytes]) -> bytes:
    parts = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"


def read(data: bytes, sizes: list[int]) -> tuple[AnswerReader, bytes]:
    """The reader after all of the data, in pieces of these sizes and the rest at once; and what it gave."""
    reader, body = AnswerReader(), b""
    for size in sizes:
        if data[:size]:
            body += reader.feed(data[:size])
        data = data[size:]
    return reader, body + (reader.feed(data) if data else b"")


@given(body=PIECES, sizes=st.lists(st.integers(1, 30)), in_chunks=st.booleans())
def test_an_answer_is_the_same_however_it_is_cut(body: list[bytes], sizes: list[int], in_chunks: bool) -> None:
    data = chunked(body) if in_chunks else plain(b"".join(body))
    reader, found = read(data, sizes)
    assert (reader.status, reader.done, found) == (409 if in_chunks else 200, True, b"".join(body))
    assert reader.reason == ("Conflict" if in_chunks else "OK")


@given(body=PIECES, in_chunks=st.booleans())
def test_it_reads_what_the_standard_library_reads(body: list[bytes], in_chunks: bool) -> None:
    data = chunked(body) if in_chunks else plain(b"".join(body))

    class Wire:
        def makefile(self, *_: object) -> io.BytesIO:
            return io.BytesIO(data)

    theirs = http.client.HTTPResponse(Wire())  # type: ignore[arg-type]
    theirs.begin()
    reader, found = read(data, [])
    assert (reader.status, found) == (theirs.status, theirs.read())
    theirs.close()


@given(body=PIECES, in_chunks=st.booleans(), share=st.floats(0, 0.999))
def test_an_answer_that_ends_early_is_said(body: list[bytes], in_chunks: bool, share: float) -> None:
    data = chunked(body) if in_chunks else plain(b"x" + b"".join(body))
    cut = data[: int(len(data) * share)]
    reader, _ = read(cut, [])
    if not reader.done:  # the line after a last chunk of no bytes says nothing
        with pytest.raises(BrokenAnswer, match="ended before the answer did"):
            reader.feed(b"")


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"x" * (1 << 17)],
)  # fmt: skip
def test_what_is_no_answer_is_said(data: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        AnswerReader().feed(data)
