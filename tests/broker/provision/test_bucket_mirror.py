"""Checkpoints between the store here and a place of one's own: the same store at both, whichever side dies, through every kind of place."""

from __future__ import annotations

import contextlib
import os
import pathlib

import pytest

from tradewind.agent.checkpoints.entries import scan
from tradewind.agent.checkpoints.file_store import FileStore
from tradewind.broker.bucket import BucketError
from tradewind.broker.provision import bucket_mirror
from tradewind.broker.provision.places import Places


@pytest.fixture
def places(tmp_path):
    opened = Places(str(tmp_path / "data"))
    yield opened
    opened.close()


@pytest.fixture(params=["directory", "memory"])
def uri(request, tmp_path):
    return (
        str(tmp_path / "shared") if request.param == "directory" else f"memory://shared-{os.getpid()}/{tmp_path.name}"
    )


class Job:
    """What an agent does with a job's directory: entries appear, and each is kept."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.root = directory / "job", directory / "store" / "rank-0"
        self.directory.mkdir(parents=True)
        self.store = FileStore(str(self.root))

    def saves(self, name: str, data: bytes) -> None:
        (self.directory / name).write_bytes(data)
        assert self.store.keep(scan(str(self.directory))[name], str(self.directory / name))

    def saves_directory(self, name: str, **files: bytes) -> None:
        for file, data in files.items():
            path = self.directory / name / "deep" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        assert self.store.keep(scan(str(self.directory))[name], str(self.directory / name))


def restored(root: pathlib.Path, into: pathlib.Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    told = FileStore(str(root)).restore(str(into))
    return {str(p.relative_to(into)): p.read_bytes() for p in into.rglob("*") if p.is_file()}, told.damaged


def test_what_one_machine_kept_another_goes_on_from(places, uri, tmp_path):
    place, job = places.get(uri), Job(tmp_path / "a")
    places.probe(uri)
    job.saves("step-1", b"one" * 1000)
    job.saves_directory("sharded", a=b"left", b=b"right")
    assert bucket_mirror.push(place, str(job.root), "rank-0") == 3000 + 9
    job.saves("step-2", b"two" * 1000)
    assert bucket_mirror.push(place, str(job.root), "rank-0") == 3000, "only what is new is sent"
    assert bucket_mirror.push(place, str(job.root), "rank-0") == 0
    there = tmp_path / "b" / "store" / "rank-0"
    assert bucket_mirror.pull(place, str(there), "rank-0")
    assert not bucket_mirror.pull(place, str(there), "rank-0"), "it is here already"
    found, damaged = restored(there, tmp_path / "b" / "job")
    assert found == {
        "step-1": b"one" * 1000,
        "step-2": b"two" * 1000,
        "sharded/deep/a": b"left",
        "sharded/deep/b": b"right",
    }
    assert damaged == ()


def test_what_the_job_removed_goes_there_too(places, uri, tmp_path):
    place, job = places.get(uri), Job(tmp_path / "a")
    for number in range(6):
        job.saves("latest", b"%d" % number)
        bucket_mirror.push(place, str(job.root), "rank-0")
    assert len(place.names("rank-0/copies")) == 2, "the two newest copies of a name"
    assert sorted(os.listdir(job.root / "copies")) == sorted({n.split("/")[-2] for n in place.names("rank-0/copies")})


def test_the_store_that_has_come_further_wins(places, uri, tmp_path):
    place, mine, other = places.get(uri), Job(tmp_path / "a"), Job(tmp_path / "b")
    mine.saves("step-1", b"mine")
    bucket_mirror.push(place, str(mine.root), "rank-0")
    bucket_mirror.pull(place, str(other.root), "rank-0")
    other.saves("step-2", b"other")
    other.saves("step-3", b"other")
    bucket_mirror.push(place, str(other.root), "rank-0")
    mine.saves("step-2", b"mine, and never told")
    assert bucket_mirror.pull(place, str(mine.root), "rank-0")
    assert restored(mine.root, tmp_path / "again")[0]["step-2"] == b"other"
    assert not bucket_mirror.pull(place, str(other.root), "rank-0")


def test_a_cut_on_the_way_leaves_the_place_as_it_was(places, uri, tmp_path):
    """However many calls get through, what the manifest there names can be restored."""
    place, job = places.get(uri), Job(tmp_path / "a")
    job.saves("step-1", b"one")
    bucket_mirror.push(place, str(job.root), "rank-0")
    job.saves("step-2", b"two")
    job.saves("step-3", b"three")
    for calls in range(8):
        cut = Cut(place, calls)
        with contextlib.suppress(BucketError):
            bucket_mirror.push(cut, str(job.root), "rank-0")
        there = tmp_path / f"try-{calls}" / "store"
        assert bucket_mirror.pull(place, str(there), "rank-0")
        found, damaged = restored(there, tmp_path / f"try-{calls}" / "job")
        assert damaged == ()
        assert found["step-1"] == b"one"
        if not cut.broke:
            assert found["step-3"] == b"three"
            break
    else:
        pytest.fail("it was cut every time")


class Cut:
    """A place that is out of reach after so many calls."""

    def __init__(self, place, calls: int) -> None:
        self._place, self._left, self.broke = place, calls, False

    def __getattr__(self, name):
        def call(*arguments):
            self._left -= 1
            if self._left < 0:
                self.broke = True
                raise BucketError("the line is cut")
            return getattr(self._place, name)(*arguments)

        return call


def test_a_file_that_is_damaged_there_falls_back_to_the_copy_before(places, uri, tmp_path):
    place, job = places.get(uri), Job(tmp_path / "a")
    job.saves("model", b"good")
    job.saves("model", b"better")
    bucket_mirror.push(place, str(job.root), "rank-0")
    newest = max(place.names("rank-0/copies"))
    place.write(newest, b"rotten")
    bucket_mirror.pull(place, str(tmp_path / "b"), "rank-0")
    found, damaged = restored(tmp_path / "b", tmp_path / "job")
    assert found == {"model": b"good"}
    assert "sha256" in damaged[0]


def test_a_list_that_points_elsewhere_is_refused(places, uri, tmp_path):
    place = places.get(uri)
    place.write("rank-0/manifest.json", b'{"copies":[{"number":1,"name":"../../evil","files":[]}],"next_number":9}')
    with pytest.raises(BucketError, match="outside its directory"):
        bucket_mirror.pull(place, str(tmp_path / "b"), "rank-0")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("nonsense://x/y", "Protocol not known: nonsense"),
        ("sftp://ada:secret@host/x", r"sftp://ada:\*\*\*@host/x: a password may not stand in a URI"),
        ("/proc/no/such", "/proc/no/such"),
    ],
)
def test_a_place_that_cannot_be_used_says_so(places, uri, said):
    with pytest.raises(BucketError, match=said):
        places.probe(uri)


def test_a_place_that_is_away_for_a_while_misses_nothing_of_what_counts(places, tmp_path, monkeypatch):
    """The directory is unmounted, say: the job goes on, is told once, and its next checkpoint brings all that the place lacks."""
    shared, away, job = tmp_path / "shared", tmp_path / "away", Job(tmp_path / "a")
    place = places.get(str(shared))
    places.probe(str(shared))
    job.saves("step-1", b"one")
    bucket_mirror.push(place, str(job.root), "rank-0")
    shared.rename(away)
    shared.write_text("no directory")
    for number in (2, 3):
        job.saves(f"step-{number}", b"missed")
        with pytest.raises((BucketError, OSError)):
            bucket_mirror.push(place, str(job.root), "rank-0")
    shared.unlink()
    away.rename(shared)
    job.saves("step-4", b"four")
    bucket_mirror.push(place, str(job.root), "rank-0")
    there = tmp_path / "b" / "store" / "rank-0"
    assert bucket_mirror.pull(place, str(there), "rank-0")
    found, damaged = restored(there, tmp_path / "b" / "job")
    assert found == {"step-1": b"one", "step-2": b"missed", "step-3": b"missed", "step-4": b"four"}
    assert damaged == ()
