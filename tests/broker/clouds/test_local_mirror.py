"""Copying to an instance: equal afterwards, nothing done twice, nothing touched outside."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.broker.clouds.local.mirror import mirror
from tradewind.broker.provision.baggage import Baggage, weigh
from tradewind.broker.provision.ssh_copy import read_source
from tradewind.spec.task import Task

name = st.sampled_from(["a", "b", "c", "d"])
path = st.lists(name, min_size=1, max_size=3).map("/".join)
tree = st.dictionaries(path, st.one_of(st.binary(max_size=5), st.just("link")), max_size=6)


def write(root: pathlib.Path, files: dict) -> None:
    """Make `root` hold these files; a path that runs through a file is left out."""
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    for where, content in sorted(files.items()):
        target = root / where
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if content == "link":
                target.symlink_to("../outside")
            else:
                target.write_bytes(content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError, FileNotFoundError):
            continue


def look(root: pathlib.Path) -> dict:
    found = {}
    for folder, folders, files in os.walk(root):
        for one in (*folders, *files):
            where = pathlib.Path(folder, one)
            key = str(where.relative_to(root))
            found[key] = os.readlink(where) if where.is_symlink() else "dir" if where.is_dir() else where.read_bytes()
    return found


@settings(max_examples=60, deadline=None)
@given(first=tree, second=tree)
def test_the_target_shows_what_the_source_holds(first, second):
    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary)
        source, home = root / "source", root / "home"
        home.mkdir()
        outside = home / "outside"
        outside.write_bytes(b"untouched")
        for files in (first, second):
            write(source, files)
            mirror(str(source), "workdir", home=str(home))
            assert look(home / "workdir") == look(source)
            assert mirror(str(source), "workdir", home=str(home)) == 0
        assert outside.read_bytes() == b"untouched"


def test_what_a_job_made_stays(tmp_path):
    source, home = tmp_path / "source", tmp_path / "home"
    write(source, {"old/code.py": b"1", "keep.py": b"2"})
    mirror(str(source), "workdir", home=str(home))
    (home / "workdir/old/output.bin").write_bytes(b"result")
    (home / "workdir/result.txt").write_bytes(b"result")
    shutil.rmtree(source / "old")
    mirror(str(source), "workdir", home=str(home))
    assert look(home / "workdir") == {
        "keep.py": b"2", "old": "dir", "old/output.bin": b"result", "result.txt": b"result",
    }  # fmt: skip


def test_a_link_on_the_target_is_replaced_never_followed(tmp_path):
    source, home = tmp_path / "source", tmp_path / "home"
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "x").write_bytes(b"precious")
    (home / "workdir").mkdir(parents=True)
    (home / "workdir/d").symlink_to(precious)
    (home / "workdir/f").symlink_to(precious / "x")
    write(source, {"d/x": b"new", "f": b"new"})
    mirror(str(source), "workdir", home=str(home))
    assert (precious / "x").read_bytes() == b"precious"
    assert look(home / "workdir") == {"d": "dir", "d/x": b"new", "f": b"new"}


def test_a_file_its_mode_and_its_change(tmp_path):
    source, home = tmp_path / "run.sh", tmp_path / "home"
    source.write_text("one")
    source.chmod(0o755)
    assert mirror(str(source), "bin/run.sh", home=str(home)) == 1
    assert mirror(str(source), "bin/run.sh", home=str(home)) == 0
    assert os.stat(home / "bin/run.sh").st_mode & 0o777 == 0o755
    source.write_text("three")
    assert mirror(str(source), "bin/run.sh", home=str(home)) == 1
    assert (home / "bin/run.sh").read_text() == "three"


def test_a_pipe_is_passed_over(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    os.mkfifo(source / "pipe")
    assert mirror(str(source), "workdir", home=str(tmp_path / "home")) == 0


@pytest.mark.parametrize("target", ["../x", "a/../../x"])
def test_a_target_outside_the_home_is_refused(tmp_path, target):
    (tmp_path / "s").write_text("")
    with pytest.raises(ValueError, match="leaves the instance's home"):
        mirror(str(tmp_path / "s"), target, home=str(tmp_path / "home"))


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no-such.*cannot be read"):
        mirror(str(tmp_path / "no-such"), "x", home=str(tmp_path / "home"))


def test_links_that_lead_in_circles_are_copied_as_they_are(tmp_path):
    source, home = tmp_path / "source", tmp_path / "home"
    (source / "deep" / "deeper").mkdir(parents=True)
    (source / "deep" / "deeper" / "up").symlink_to("../..")
    (source / "self").symlink_to("self")
    (source / "there").symlink_to("back")
    (source / "back").symlink_to("there")
    (source / "file").write_text("x")
    assert weigh(Task(workdir=str(source))) == Baggage(files=1, size_bytes=1)
    assert sorted(read_source(str(source))) == [
        "back",
        "deep",
        "deep/deeper",
        "deep/deeper/up",
        "file",
        "self",
        "there",
    ]
    mirror(str(source), "workdir", home=str(home))
    mirror(str(source), "workdir", home=str(home))
    assert os.readlink(home / "workdir" / "self") == "self"
    assert os.readlink(home / "workdir" / "deep" / "deeper" / "up") == "../.."
    assert (home / "workdir" / "file").read_text() == "x"


def test_the_files_of_a_tree_are_not_all_held_in_memory(tmp_path):
    def peak(directories: int) -> int:
        source = tmp_path / f"source-{directories}"
        for number in range(directories):
            below = source / str(number // 10) / str(number % 10)
            below.mkdir(parents=True)
            for file in range(50):
                (below / str(file)).touch()
        home = str(tmp_path / f"home-{directories}")
        mirror(str(source), "workdir", home=home)
        tracemalloc.start()
        try:
            assert mirror(str(source), "workdir", home=home) == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Names alone would take more: a list of them, or their record as one text, some hundred bytes each.
    assert (peak(40) - peak(10)) / (30 * 50) < 100
