"""Logs in parts: whatever is sealed and compressed meanwhile, every reader sees every byte once and in order."""

from __future__ import annotations

import gzip
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.broker.provision import log_segments
from tradewind.broker.provision.job_log import LogBook, LogReader, LogWriter

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 2), st.binary(min_size=1, max_size=20)),
        st.tuples(st.sampled_from(["seal", "compress", "restart", "read", "torn"])),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_every_reader_sees_every_byte_once(tmp_path_factory, steps):
    path = str(tmp_path_factory.mktemp("log") / "1-1.log")
    writer, written, waiting = LogWriter(path), {0: b"", 1: b"", 2: b""}, []
    followers = {rank: LogReader(path, rank=rank, nodes=3) for rank in written}
    seen = dict.fromkeys(written, b"")
    for step, *given_ in steps:
        if step == "append":
            writer.append(*given_)
            written[given_[0]] += given_[1]
        elif step == "seal" and (sealed := writer.seal(1)):
            waiting.append(sealed)
        elif step == "compress" and waiting:
            log_segments.compress(waiting.pop(0))
        elif step == "restart":
            writer = LogWriter(path)
        elif step == "torn" and os.path.exists(path):
            with open(path, "ab") as file:
                file.write(log_segments.HEADER.pack(0, 99) + b"half")
            writer = LogWriter(path)
        elif step == "read":
            for rank, follower in followers.items():
                seen[rank] += b"".join(follower.read())
        assert dict(writer.sizes) == {rank: len(data) for rank, data in written.items() if data}
    for rank, follower in followers.items():
        seen[rank] += b"".join(follower.read())
        follower.close()
        late = LogReader(path, rank=rank, nodes=3)
        assert b"".join(late.read()) == written[rank]
        late.close()
    assert seen == written


def test_a_book_seals_what_has_grown_and_what_is_over(tmp_path):
    later = []
    book = LogBook(str(tmp_path), part_bytes=1000, aside=later.append)
    book.begin("1-1", 0)
    follower = book.reader("1-1", rank=None, nodes=1)
    told = b""
    for line in range(300):
        book.append("1-1", 0, b"line %d of many\n" % line)
        told += b"".join(follower.read())
        if line % 90 == 0:
            while later:
                later.pop(0)()
    book.end("1-1")
    while later:
        later.pop(0)()
    told += b"".join(follower.read())
    follower.close()
    expected = b"".join(b"line %d of many\n" % line for line in range(300))
    assert told == expected
    names = sorted(os.listdir(tmp_path))
    assert len(names) > 3
    assert all(name.endswith(".gz") for name in names if name != "1-1.log")
    assert all(os.stat(tmp_path / name).st_mode & 0o777 == 0o600 for name in names)
    other = LogBook(str(tmp_path), aside=later.append)
    assert other.begin("1-1", 0) == len(expected)
    other.end("1-1")


def test_a_part_that_cannot_be_compressed_stays(tmp_path, monkeypatch):
    path = str(tmp_path / "1-1.log")
    writer = LogWriter(path)
    writer.append(0, b"kept\n")
    sealed = writer.seal(1)
    assert sealed == f"{path}.1"

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(log_segments.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            log_segments.compress(sealed)
    assert sorted(os.listdir(tmp_path)) == ["1-1.log.1"]
    log_segments.compress(sealed)
    log_segments_left = sorted(os.listdir(tmp_path))
    assert log_segments_left == ["1-1.log.1.gz"]
    with gzip.open(f"{sealed}.gz") as file:
        assert file.read()[log_segments.HEADER.size :] == b"kept\n"
    assert writer.seal(1) is None
