"""A container of Azure Blob Storage as a place for checkpoints: adlfs against Azurite, Microsoft's own emulator, where it is installed."""

from __future__ import annotations

import pathlib
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest

from clouds.buckets import walked
from tests.broker.real import until

pytest.importorskip("adlfs", reason="no adlfs here: it is among the dev extra's")
AZURITE = shutil.which("azurite-blob")
# the account that every Azurite has; learn.microsoft.com/azure/storage/common/storage-use-azurite, "Well-known storage account and key"
ACCOUNT, KEY = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
pytestmark = pytest.mark.skipif(not AZURITE, reason="no Azurite here: npm install -g azurite")


@pytest.fixture
def connection(tmp_path: pathlib.Path) -> Iterator[str]:
    """How the emulator, which has the container `training`, is reached."""
    from azure.storage.blob import BlobServiceClient

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [AZURITE, "--silent", "--skipApiVersionCheck", "--blobPort", str(port), "--location", tmp_path / "azurite"]
    told = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    with subprocess.Popen(argv) as running:
        try:
            until("it listens", lambda: _listens(port))
            with BlobServiceClient.from_connection_string(told) as client:
                client.create_container("training")
            yield told
        finally:
            running.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_files_there_and_back(connection: str, tmp_path: pathlib.Path) -> None:
    assert walked("abfs://training/runs/digits", tmp_path, AZURE_STORAGE_CONNECTION_STRING=connection) == "works"


def test_a_container_that_is_not_there_is_named(connection: str, tmp_path: pathlib.Path) -> None:
    said = walked("abfs://absent/runs", tmp_path, AZURE_STORAGE_CONNECTION_STRING=connection)
    assert said.startswith("abfs://absent/runs: ")
