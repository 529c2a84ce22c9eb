from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tradewind.catalog import Catalog, open_catalog


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """One cache for the tests that only read, so that the index is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def shipped(shared_cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    """The shipped catalog."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    with open_catalog() as catalog:
        yield catalog


@pytest.fixture(autouse=True)
def data_dir(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A data directory of the test's own, so that nobody's imported offers are in it; it does not exist yet."""
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def own_cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An empty cache of the test's own; the index will be in its directory `tradewind`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"
