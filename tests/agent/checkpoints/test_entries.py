"""What counts as a complete checkpoint."""

from __future__ import annotations

import os

import pytest

from tradewind.agent.checkpoints.entries import is_complete_name, scan


@pytest.mark.parametrize(
    ("name", "complete"),
    [("step-1.npz", True), ("latest", True), (".hidden", False), ("x.tmp", False), ("x.partial", False), ("tmp", True)],
)
def test_names(name, complete):
    assert is_complete_name(name) is complete


def test_a_directory_is_one_entry(tmp_path):
    (tmp_path / "step-1/deep").mkdir(parents=True)
    (tmp_path / "step-1/a").write_bytes(b"12")
    (tmp_path / "step-1/deep/b").write_bytes(b"345")
    (tmp_path / "step-2.pkl").write_bytes(b"6")
    (tmp_path / ".step-3.tmp").write_bytes(b"7")
    (tmp_path / "link").symlink_to("step-2.pkl")
    os.mkfifo(tmp_path / "pipe")
    found = scan(str(tmp_path))
    assert sorted(found) == ["step-1", "step-2.pkl"]
    assert found["step-1"].is_directory
    assert [file.path for file in found["step-1"].files] == ["a", "deep/b"]
    assert found["step-1"].bytes == 5
    assert found["step-2.pkl"].files[0].path == ""


def test_a_change_is_seen(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"one")
    first = scan(str(tmp_path))["x"]
    assert scan(str(tmp_path))["x"] == first
    (tmp_path / "new").write_bytes(b"two")
    os.utime(tmp_path / "new", ns=(first.newest_ns, first.newest_ns))
    os.replace(tmp_path / "new", path)  # same size, same time, another file
    assert scan(str(tmp_path))["x"] != first


def test_no_directory_has_no_entries(tmp_path):
    assert scan(str(tmp_path / "none")) == {}
