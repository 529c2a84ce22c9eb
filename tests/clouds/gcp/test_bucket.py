"""A bucket of Cloud Storage as a place for checkpoints: gcsfs against an emulator of its JSON API on a socket."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.buckets import walked

pytest.importorskip("gcsfs", reason="no gcsfs here: it is among the dev extra's")
emulator = pytest.importorskip(
    "gcp_storage_emulator.server", reason="no gcp-storage-emulator here: it is among the dev extra's"
)


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="training")
    server.start()
    try:
        yield {
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{server._api._httpd.server_port}",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # it asks an API that the emulator does not have
        }
    finally:
        server.stop()


def test_files_there_and_back(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    assert walked("gs://training/runs/digits", tmp_path, **environment) == "works"


def test_a_bucket_that_is_not_there_is_named(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    assert walked("gs://absent/runs", tmp_path, **environment).startswith("gs://absent/runs: ")
