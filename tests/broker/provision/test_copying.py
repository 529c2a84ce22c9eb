"""How far copies are: summed over a cluster's nodes, told by the copy itself, and gone with it."""

from __future__ import annotations

import pathlib

from tradewind.broker.clouds.local.mirror import mirror
from tradewind.broker.provision.copying import CopyBoard


def test_the_nodes_of_a_cluster_are_told_together() -> None:
    board = CopyBoard()
    assert board.said(1) == ""
    with board.of(1) as one, board.of(1) as other, board.of(2) as elsewhere:
        assert board.said(1) == ""
        one(40_000_000, 0)
        other(0, 3_000_000)
        elsewhere(0, 5)
        assert board.said(1) == "its files: 3.0 MB are there"  # how much the other node gets is not known
        other(20_000_000, 0)
        one(0, 12_000_000)
        assert board.said(1) == "its files: 15.0 of 60.0 MB are there"
        one(0, 40_000_000)  # a tar's heads are not among the files' sizes
        assert board.said(1) == "its files: 55.0 of 72.0 MB are there"
    assert board.said(1) == board.said(2) == ""


def test_a_copy_on_this_computer_tells_each_file_that_it_writes(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"x" * 10)
    (source / "b").write_bytes(b"y" * 5)
    told: list[int] = []

    def hear(to_come: int, sent: int) -> None:
        told.append(sent - to_come)

    mirror(str(source), "there", home=str(tmp_path / "home"), told=hear)
    assert sorted(told) == [5, 10]
    mirror(str(source), "there", home=str(tmp_path / "home"), told=hear)
    assert sum(told) == 15  # nothing has changed, and nothing was written
