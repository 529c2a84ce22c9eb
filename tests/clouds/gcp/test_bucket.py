"""A bucket of Cloud Storage as a place for checkpoints: gcsfs against an emulator of its JSON API, open on a socket, or under its own name and closed
to whoever is not logged in.
"""

from __future__ import annotations

import json
import pathlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clouds import own_names
from clouds.buckets import walked
from clouds.fakes import stores

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


USER = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}


def application_default(home: pathlib.Path, user: dict[str, str] = USER) -> dict[str, str]:
    """`gcloud auth application-default login`."""
    (gcloud := home / ".config" / "gcloud").mkdir(parents=True)
    (gcloud / "application_default_credentials.json").write_text(json.dumps(user))
    return {}


def plain(home: pathlib.Path) -> dict[str, str]:
    """`gcloud auth login`."""
    (gcloud := home / ".config" / "gcloud").mkdir(parents=True)
    (gcloud / "configurations").mkdir()
    (gcloud / "configurations" / "config_default").write_text("[core]\naccount = ada@example.com\n")
    with sqlite3.connect(gcloud / "credentials.db") as store:
        store.execute("CREATE TABLE credentials (account_id TEXT PRIMARY KEY, value BLOB)")
        store.execute("INSERT INTO credentials VALUES (?, ?)", ("ada@example.com", json.dumps(USER)))
    store.close()
    return {}


def service_account(home: pathlib.Path) -> dict[str, str]:
    """A key in a file that GOOGLE_APPLICATION_CREDENTIALS names."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account: dict[str, Any] = {
        "type": "service_account", "private_key": key.decode(), "client_email": "ada@demo.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }  # fmt: skip
    (home / "key.json").write_text(json.dumps(account))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(home / "key.json")}


def walked_at_google(uri: str, home: pathlib.Path, **environment: str) -> str:
    """What a person with this home is told about the place at the store's own name."""
    if why := own_names.why_not():
        pytest.skip(why)
    mine = {"HOME": str(home), "NO_GCE_CHECK": "true", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false", **environment}
    return own_names.run(stores.GOOGLE, home, mine, "clouds.fakes.stores", "gcp", uri, str(home)).strip()


@pytest.mark.parametrize("login", [application_default, plain, service_account])
def test_by_each_login_that_gcloud_leaves(login: Any, tmp_path: pathlib.Path) -> None:
    assert walked_at_google("gs://training/runs/digits", tmp_path, **login(tmp_path)) == "works"


def test_who_is_not_logged_in_or_no_more_is_told_how(tmp_path: pathlib.Path) -> None:
    said = walked_at_google("gs://training/runs", tmp_path)
    assert said.startswith("gs://training/runs: Anonymous caller")
    assert said.endswith("; log in: gcloud auth application-default login")
    application_default(tmp_path, {**USER, "refresh_token": stores.REVOKED})
    said = walked_at_google("gs://training/runs", tmp_path)
    assert said.startswith("gs://training/runs: the credentials are expired or revoked (")
    assert said.endswith("; run: gcloud auth application-default login")


def test_files_there_and_back(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    assert walked("gs://training/runs/digits", tmp_path, **environment) == "works"


def test_a_bucket_that_is_not_there_is_named(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    assert walked("gs://absent/runs", tmp_path, **environment).startswith("gs://absent/runs: ")
