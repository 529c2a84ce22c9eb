"""A data directory of one's own, whose daemon is stopped at the end."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

import tradewind as tw


def start_daemon() -> None:
    """A daemon runs that is no child of this process, which would be one left behind."""
    subprocess.run(
        [sys.executable, "-m", "tradewind.cli", "api", "start"], env=dict(os.environ), check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    made = tmp_path_factory.mktemp("sdk") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEWIND_DATA_DIR", str(made))
        start_daemon()
        yield made
        for cluster in tw.status():
            tw.down(cluster.name)
        tw.api.stop()


@pytest.fixture
def data(data_directory: pathlib.Path, no_credentials: None, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The module's data directory, in this test's environment (which hides every person's settings first)."""
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(data_directory))
    return data_directory
