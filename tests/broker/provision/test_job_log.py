"""Jobs' output in one file: both views of it, torn ends, followers."""

from __future__ import annotations

import contextlib
import resource
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.broker.provision.job_log import MAX_HELD_LINE, LogBook, LogReader, LogWriter

CHUNKS = st.lists(
    st.tuples(st.integers(0, 2), st.binary(max_size=30).map(lambda b: b.replace(b"\x00", b"\n"))), max_size=30
)


def read_all(path, *, rank=None, nodes):
    reader = LogReader(path, rank=rank, nodes=nodes)
    try:
        return b"".join(reader.read()) + reader.rest()
    finally:
        reader.close()


@settings(max_examples=60, deadline=None)
@given(CHUNKS)
def test_a_rank_reads_its_own_bytes_and_all_together_whole_lines(tmp_path_factory, chunks):
    path = str(tmp_path_factory.mktemp("log") / "1-1.log")
    writer = LogWriter(path)
    for rank, data in chunks:
        writer.append(rank, data)
    for rank in range(3):
        assert read_all(path, rank=rank, nodes=3) == b"".join(d for r, d in chunks if r == rank)
    merged = read_all(path, nodes=3)
    for rank in range(3):
        label = b"(%s, rank=%d) " % (b"worker" if rank else b"head", rank)
        own = b"".join(d for r, d in chunks if r == rank)
        expected = own.split(b"\n") if own else []
        if expected and expected[-1] == b"":
            expected.pop()
        assert [line.removeprefix(label) for line in merged.split(b"\n") if line.startswith(label)] == expected


def test_one_node_is_read_as_it_came(tmp_path):
    path = str(tmp_path / "1-1.log")
    writer = LogWriter(path)
    writer.append(0, b"50%\r100%")
    assert read_all(path, nodes=1) == b"50%\r100%"


def test_a_torn_end_is_cut_off_and_its_bytes_are_asked_for_again(tmp_path):
    path = str(tmp_path / "1-1.log")
    writer = LogWriter(path)
    writer.append(0, b"whole\n")
    writer.append(1, b"torn\n")
    for cut in range(1, 12):
        torn = tmp_path / f"{cut}.log"
        torn.write_bytes((tmp_path / "1-1.log").read_bytes()[:-cut])
        again = LogWriter(str(torn))
        assert (again.sizes[0], again.sizes[1]) == (6, 0)
        again.append(1, b"torn\n")
        assert read_all(str(torn), nodes=2) == b"(head, rank=0) whole\n(worker, rank=1) torn\n"


def test_a_line_without_an_end_does_not_grow_in_memory(tmp_path):
    path = str(tmp_path / "1-1.log")
    writer = LogWriter(path)
    reader = LogReader(path, rank=None, nodes=2)
    for _ in range(100):
        writer.append(0, b"x" * 10_000)
        list(reader.read())
        assert sum(map(len, reader._held.values())) <= MAX_HELD_LINE
    reader.close()


def test_a_book_goes_on_where_it_stopped(tmp_path):
    book = LogBook(str(tmp_path))
    assert book.begin("1-1", 0) == 0
    book.append("1-1", 0, b"abc")
    assert book.is_collecting("1-1")
    book.end("1-1")
    assert not book.is_collecting("1-1")
    other = LogBook(str(tmp_path))
    assert other.begin("1-1", 0) == 3
    other.end("1-1")


def test_a_full_disk_leaves_whole_chunks_and_takes_the_next_once_there_is_room(tmp_path):
    path = str(tmp_path / "1-1.log")
    writer = LogWriter(path)
    writer.append(0, b"before\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ignoring(signal.SIGXFSZ):
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        try:
            for _ in range(2):
                with pytest.raises(OSError, match=path):
                    writer.append(0, b"x" * 100)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_all(path, nodes=1) == b"before\n"
    writer.append(0, b"after\n")
    assert read_all(path, nodes=1) == b"before\nafter\n"


@contextlib.contextmanager
def ignoring(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)
