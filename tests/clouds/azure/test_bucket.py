"""A container of Azure Blob Storage as a place for checkpoints: adlfs against Azurite, Microsoft's own emulator, where it is installed: by a
connection string, and under the account's own name with the login that az leaves, and a service principal's.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from clouds import own_names
from clouds.buckets import walked
from clouds.fakes import stores
from clouds.fakes.stores import ACCOUNT, KEY
from tests.broker.real import until

pytest.importorskip("adlfs", reason="no adlfs here: it is among the dev extra's")
AZURITE = shutil.which("azurite-blob", path=f"{sys.prefix}/azurite/node_modules/.bin") or shutil.which("azurite-blob")
pytestmark = pytest.mark.skipif(
    not AZURITE, reason="no Azurite here: tools/environment.sh brings it where there is npm"
)


@pytest.fixture
def connection(tmp_path: pathlib.Path) -> Iterator[str]:
    """How the emulator, which has the container `training`, is reached."""
    from azure.storage.blob import BlobServiceClient

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [
        AZURITE,
        "--silent",
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--blobPort",
        str(port),
        "--location",
        tmp_path / "azurite",
    ]
    told = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    with subprocess.Popen(argv) as running:
        try:
            until("it listens", lambda: stores.listens(port))
            with BlobServiceClient.from_connection_string(told) as client:
                client.create_container("training")
            yield told
        finally:
            running.terminate()


def az_login(home: pathlib.Path) -> dict[str, str]:
    """`az login`: a profile, and an az that prints a token."""
    (home / ".azure").mkdir()
    (home / ".azure" / "azureProfile.json").write_text(json.dumps({"subscriptions": [{"id": "1", "isDefault": True}]}))
    printed = {
        "accessToken": stores.of_entra(),
        "expiresOn": "2033-01-01 00:00:00.000000",
        "expires_on": int(time.time()) + 3600,
    }
    (home / "bin").mkdir()
    az = home / "bin" / "az"
    az.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(printed)}\nEND\n")
    az.chmod(0o755)
    return {"PATH": f"{home}/bin:/usr/bin:/bin:/usr/sbin:/sbin"}


def walked_at_azure(uri: str, home: pathlib.Path, **environment: str) -> str:
    """What a person with this home is told about the place at the account's own name."""
    if why := own_names.why_not():
        pytest.skip(why)
    mine = {"HOME": str(home), **environment}
    return own_names.run(stores.AZURE, home, mine, "clouds.fakes.stores", "azure", uri, str(home), str(AZURITE)).strip()


@pytest.mark.parametrize(
    ("uri", "environment"),
    [
        (f"abfs://training@{ACCOUNT}.dfs.core.windows.net/runs/digits", {}),
        ("abfs://training/runs/digits", {"AZURE_STORAGE_ACCOUNT": ACCOUNT}),
        ("abfs://training/runs/digits", {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT": "another"}),
    ],
)
def test_by_the_login_that_az_leaves(uri: str, environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    assert walked_at_azure(uri, tmp_path, **az_login(tmp_path), **environment) == "works"


def test_by_a_service_principal(tmp_path: pathlib.Path) -> None:
    principal = {"AZURE_CLIENT_ID": "ada", "AZURE_TENANT_ID": stores.TENANT, "AZURE_CLIENT_SECRET": "secret"}
    uri = f"abfs://training@{ACCOUNT}.dfs.core.windows.net/runs/digits"
    assert walked_at_azure(uri, tmp_path, **principal) == "works"


def test_who_is_not_logged_in_any_more_or_names_no_account_is_told_how(tmp_path: pathlib.Path) -> None:
    uri = f"abfs://training@{ACCOUNT}.dfs.core.windows.net/runs"
    login = az_login(tmp_path)
    said = walked_at_azure("abfs://training/runs", tmp_path, **login)
    assert "name the account: abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH, or set AZURE_STORAGE_ACCOUNT" in said
    (tmp_path / "bin" / "az").write_text(
        "#!/bin/sh\necho 'ERROR: AADSTS70043: The refresh token has expired' >&2; exit 1\n"
    )
    said = walked_at_azure(uri, tmp_path, **login)
    assert said.startswith(f"{uri}: ")
    assert "AADSTS70043" in said
    assert said.endswith("; run: az login")


def test_files_there_and_back(connection: str, tmp_path: pathlib.Path) -> None:
    assert walked("abfs://training/runs/digits", tmp_path, AZURE_STORAGE_CONNECTION_STRING=connection) == "works"


def test_a_container_that_is_not_there_is_named(connection: str, tmp_path: pathlib.Path) -> None:
    said = walked("abfs://absent/runs", tmp_path, AZURE_STORAGE_CONNECTION_STRING=connection)
    assert said.startswith("abfs://absent/runs: ")
    assert said.endswith("; make it first: az storage container create --auth-mode login --name absent")
