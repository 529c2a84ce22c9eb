"""The index in the user's cache: built once by many, replaced when damaged, done without where it cannot be."""

from __future__ import annotations

import os
import pathlib
import sqlite3
import stat
import subprocess
import sys

import pytest

from tests.catalog.shelves import offer
from tradewind.catalog import Catalog, OfferFilter, cache, open_catalog
from tradewind.catalog.tables import Tables, split

OFFERS = [offer(region, name) for region in ("r1", "r2") for name in ("m1", "m2")]


def tables() -> Tables:
    return split(OFFERS)


def small() -> Catalog:
    return Catalog("0123456789abcdef0123456789abcdef", tables, source="test", date="")


def index(own_cache: pathlib.Path) -> pathlib.Path:
    (found,) = (own_cache / "tradewind").glob("*.sqlite")
    return found


def test_ten_processes_at_once_all_get_it(own_cache: pathlib.Path) -> None:
    code = (
        "import sys\nfrom tradewind.catalog import open_catalog\nsys.stdin.readline()\n"
        "with open_catalog() as c: print(c.count(), c.offers(limit=1)[0].instance_type)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(10)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0] * 10
    assert len(answers) == 1
    names = sorted(path.name for path in (own_cache / "tradewind").iterdir())
    assert [name.rpartition(".")[2] for name in names] == ["sqlite", "lock"]


def test_the_second_time_nothing_is_built(own_cache: pathlib.Path) -> None:
    small().close()
    before = index(own_cache).stat()
    with Catalog("0123456789abcdef0123456789abcdef", lambda: pytest.fail("built again"), source="", date="") as catalog:
        assert catalog.offers() == OFFERS
    assert index(own_cache).stat() == before
    assert stat.S_IMODE(before.st_mode) == 0o600
    assert stat.S_IMODE(index(own_cache).parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "other", "unfinished"])
def test_a_damaged_index_is_made_again(own_cache: pathlib.Path, damage: str) -> None:
    small().close()
    path = index(own_cache)
    whole = path.read_bytes()
    if damage == "other":
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE meta SET value = 'x' WHERE key = 'digest'")
        connection.close()
    elif damage == "unfinished":
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM meta WHERE key = 'complete'")
        connection.close()
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "noise": os.urandom(len(whole))}[damage])
    with small() as catalog:
        assert catalog.offers() == OFFERS
    assert path.stat().st_size == len(whole)


def test_damage_inside_the_pages_is_repaired_when_met(own_cache: pathlib.Path) -> None:
    small().close()
    path = index(own_cache)
    whole = bytearray(path.read_bytes())
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'prices'").fetchone()
    connection.close()
    whole[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(whole)
    with small() as catalog:
        assert catalog.offers(order="name") == OFFERS
        assert catalog.offers(OfferFilter()) == OFFERS


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with small() as catalog:
        assert catalog.offers() == OFFERS


def test_a_full_disk_is_done_without(own_cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    real = cache.fill
    calls = iter([full, real])

    def fill(*arguments: object) -> None:
        next(calls)(*arguments)

    monkeypatch.setattr(cache, "fill", fill)
    with small() as catalog:
        assert catalog.offers() == OFFERS
    assert list((own_cache / "tradewind").glob("*.sqlite*")) == list((own_cache / "tradewind").glob("*.lock"))


def test_without_a_home_it_lives_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache.cache_directory() is None
    with small() as catalog:
        assert catalog.offers() == OFFERS


def test_a_relative_cache_home_is_ignored_as_the_standard_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/somewhere")
    assert cache.cache_directory() == "/somewhere/.cache/tradewind"


def test_another_users_file_is_not_believed(own_cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small().close()
    theirs = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: theirs)
    if os.getuid() == 0:
        os.chown(index(own_cache), theirs + 1, -1)
    assert cache._open(str(index(own_cache)), "0123456789abcdef0123456789abcdef") is None


def test_old_indexes_and_abandoned_builds_are_swept(own_cache: pathlib.Path) -> None:
    directory = own_cache / "tradewind"
    directory.mkdir(parents=True)
    for n in range(10):
        old = directory / f"catalog-2-{n}.sqlite"
        old.write_bytes(b"")
        os.utime(old, (n, n))
    abandoned = directory / "catalog-2-x.sqlite.1.2.tmp"
    abandoned.write_bytes(b"")
    os.utime(abandoned, (0, 0))
    small().close()
    assert not abandoned.exists()
    assert len(list(directory.glob("*.sqlite"))) == 7


def test_a_stopped_builder_is_not_waited_for(own_cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_LOCK_WAIT_S", 0.1)
    (own_cache / "tradewind").mkdir(parents=True)
    lock = own_cache / "tradewind" / "catalog-2-0123456789abcdef01234567.sqlite.lock"
    with cache._locked(str(lock)), small() as catalog:
        assert catalog.offers() == OFFERS


def test_the_shipped_catalog_opens_from_its_index(own_cache: pathlib.Path) -> None:
    open_catalog().close()
    size = index(own_cache).stat().st_size
    with open_catalog() as catalog:
        assert catalog.count() > 100_000
    assert size < 20_000_000
