"""The store: what was kept comes back whole, or the last good one does."""

from __future__ import annotations

import errno
import os
import pathlib
import pickle
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.agent.checkpoints import file_store
from tradewind.agent.checkpoints.entries import scan
from tradewind.agent.checkpoints.file_store import FileStore
from tradewind.agent.checkpoints.store import StoreError, open_store


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


class Place:
    def __init__(self, root: pathlib.Path) -> None:
        self.work, self.root = root / "work", root / "store"
        self.work.mkdir()
        self.store = FileStore(str(self.root))
        self.restored = 0

    def write(self, name: str, content: bytes) -> None:
        partial = self.work / ".partial"
        partial.write_bytes(content)
        os.replace(partial, self.work / name)

    def keep(self, name: str) -> bool:
        return self.store.keep(scan(str(self.work))[name], str(self.work / name))

    def save(self, name: str, content: bytes) -> None:
        self.write(name, content)
        assert self.keep(name)

    def copies(self, name: str) -> list[pathlib.Path]:
        return sorted(path for path in self.root.glob(f"copies/*-{name}/**/*") if path.is_file())

    def back(self):
        """A fresh directory as a new instance gets it."""
        self.restored += 1
        target = self.root.parent / f"back-{self.restored}"
        restoration = self.store.restore(str(target))
        return restoration, {
            str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()
        }


def rot(path: pathlib.Path) -> None:
    """One bit of the file turns."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_files_and_directories_come_back(place):
    place.save("a.npz", b"A" * 3_000_000)
    (place.work / "step-2/deep").mkdir(parents=True)
    (place.work / "step-2/deep/w").write_bytes(b"W")
    (place.work / "step-2/empty").write_bytes(b"")
    assert place.keep("step-2")
    restoration, files = place.back()
    assert restoration.names == ("a.npz", "step-2")
    assert restoration.newest == "step-2"
    assert restoration.damaged == ()
    assert files == {"a.npz": b"A" * 3_000_000, "step-2/deep/w": b"W", "step-2/empty": b""}


def test_an_empty_store_restores_nothing(place):
    restoration, files = place.back()
    assert (restoration.names, restoration.newest, files) == ((), "", {})


def test_times_come_back_so_that_the_newest_is_the_newest(place):
    place.save("b", b"1")
    os.utime(place.work / "b", ns=(10**18, 10**18))
    assert place.keep("b")
    place.store.restore(str(place.root.parent / "x"))
    assert os.stat(place.root.parent / "x/b").st_mtime_ns == 10**18


@pytest.mark.parametrize("damage", [rot, pathlib.Path.unlink, lambda path: path.write_bytes(b"")])
def test_damage_falls_back_to_the_copy_before(place, damage):
    place.save("latest", b"first")
    place.save("latest", b"second")
    damage(place.copies("latest")[-1])
    restoration, files = place.back()
    assert files == {"latest": b"first"}
    assert len(restoration.damaged) == 1
    assert "latest" in restoration.damaged[0]


def test_damage_of_the_newest_step_leaves_the_one_before_as_the_newest(place):
    for step in (1, 2, 3):
        place.save(f"step-{step}", b"%d" % step)
    rot(place.copies("step-3")[0])
    restoration, files = place.back()
    assert files == {"step-1": b"1", "step-2": b"2"}
    assert restoration.newest == "step-2"


def test_all_that_the_job_still_had_is_damaged(place):
    place.save("step-1", b"1")
    place.save("step-2", b"2")
    place.store.forget("step-1")  # the job keeps one only
    rot(place.copies("step-2")[0])
    restoration, files = place.back()
    assert files == {"step-1": b"1"}
    assert restoration.newest == "step-1"


def test_what_a_job_removed_goes_once_newer_ones_stand(place):
    for step in range(1, 8):
        place.save(f"step-{step}", b"%d" % step)
        if step > 2:
            place.store.forget(f"step-{step - 2}")
    _, files = place.back()
    assert sorted(files) == ["step-6", "step-7"]
    assert len(list((place.root / "copies").iterdir())) == 2


def test_a_name_keeps_two_copies(place):
    for n in range(5):
        place.save("latest", b"%d" % n)
    assert [path.read_bytes() for path in place.copies("latest")] == [b"3", b"4"]


def test_what_changes_while_it_is_read_is_not_kept(place, monkeypatch):
    place.write("x", b"1" * 1000)
    entry = scan(str(place.work))["x"]
    copy = file_store._copy_flushed

    def copy_and_change(source, target, **options):
        digest = copy(source, target, **options)
        place.write("x", b"2" * 1000)
        return digest

    monkeypatch.setattr(file_store, "_copy_flushed", copy_and_change)
    assert place.store.keep(entry, str(place.work / "x")) is False
    monkeypatch.undo()
    assert place.back()[1] == {}
    os.unlink(place.work / "x")
    assert place.store.keep(entry, str(place.work / "x")) is False


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=9)), min_size=1, max_size=6), st.integers(0, 40))
def test_a_kill_at_any_step_leaves_what_was_kept_before(saves, kill_at):
    """Every effect on the disk is counted; at the chosen one the process dies. A later one restores the last state said to be kept."""
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        place = Place(pathlib.Path(temporary))
        effects = 0

        def dying(real):
            def effect(*args, **kwargs):
                nonlocal effects
                effects += 1
                if effects > kill_at:
                    raise Killed
                return real(*args, **kwargs)

            return effect

        for module, name in (
            (file_store.os, "makedirs"), (file_store.os, "replace"), (file_store.os, "fsync"), (file_store.shutil, "rmtree"),
            (file_store, "_copy_flushed"),
        ):  # fmt: skip
            patch.setattr(module, name, dying(getattr(module, name)))
        kept, attempted = {}, {}
        try:
            for name, content in saves:
                partial = place.work / name
                partial.write_bytes(content)
                attempted = {**kept, name: content}
                place.keep(name)
                kept = attempted
        except Killed:
            pass
        patch.undo()
        restoration, files = place.back()
        assert files in (kept, attempted)
        assert restoration.damaged == ()
        place.save("after", b"it goes on")
        assert place.back()[1] == {**files, "after": b"it goes on"}


class Killed(BaseException):
    """Not an Exception: nothing may handle it, as nothing handles SIGKILL."""


def test_a_manifest_that_cannot_be_read_is_not_overwritten(place):
    place.save("x", b"1")
    (place.root / "manifest.json").write_bytes(b"{")
    with pytest.raises(StoreError, match="cannot be read") as caught:
        place.keep("x")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(StoreError, match="cannot be read"):
        place.back()
    assert place.copies("x")


def test_a_full_or_forbidden_store_is_one_sentence(place):
    place.root.write_bytes(b"a file stands where the store should be")
    with pytest.raises(StoreError, match="could not be kept|cannot be read"):
        place.save("x", b"1")


def test_what_lies_there_already_is_not_made_the_newest(place):
    """An agent that is started anew looks at everything again."""
    place.save("step-1", b"1")
    place.save("step-2", b"2")
    assert place.keep("step-1")
    assert len(place.copies("step-1")) == 1
    assert place.back()[0].newest == "step-2"


def test_a_copy_that_finds_no_room_leaves_no_part_of_it(place, monkeypatch):
    place.save("x", b"1")

    def full(source: str, target: str) -> str:
        pathlib.Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(file_store, "_copy_flushed", full)
        with pytest.raises(StoreError, match="checkpoint y could not be kept in .*: No space left on device"):
            place.save("y", b"2")
    assert [path.name for path in (place.root / "copies").iterdir()] == [place.copies("x")[0].parent.name]
    assert place.keep("y")
    assert place.back()[1] == {"x": b"1", "y": b"2"}


@pytest.mark.parametrize("uri", ["s3://b/x", "file://host/x", "/x", "", "file:x"])
def test_stores_of_this_version(uri, tmp_path):
    with pytest.raises(StoreError, match="this version knows file"):
        open_store(uri, 0)
    assert open_store(f"file://{tmp_path}/with%20space", 3)._root == f"{tmp_path}/with space/rank-3"
