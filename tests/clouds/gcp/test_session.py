"""Credentials are found where gcloud leaves them; broken files are said to be."""

from __future__ import annotations

import json
import pathlib
import sqlite3

import pytest

from tradewind.broker.clouds.gcp.session import Found, find, load_credentials
from tradewind.broker.provider import ProviderError

USER = {
    "type": "authorized_user",
    "client_id": "i",
    "client_secret": "s",
    "refresh_token": "r",
    "quota_project_id": "q",
}


@pytest.fixture
def config(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    return tmp_path


def configure(config: pathlib.Path, name: str, text: str) -> None:
    (config / "configurations").mkdir(exist_ok=True)
    (config / "configurations" / f"config_{name}").write_text(text)


def gcloud_store(config: pathlib.Path, account: str, value: str) -> None:
    connection = sqlite3.connect(config / "credentials.db")
    connection.execute("CREATE TABLE credentials (account_id TEXT PRIMARY KEY, value BLOB)")
    connection.execute("INSERT INTO credentials VALUES (?, ?)", (account, value))
    connection.commit()
    connection.close()


def test_nothing(config) -> None:
    assert find() == Found()


def test_application_default(config) -> None:
    path = config / "application_default_credentials.json"
    path.write_text(json.dumps(USER))
    assert find() == Found(file=str(path), project="q")
    assert load_credentials(find()).refresh_token == "r"


def test_a_named_file_comes_first_and_the_environment_names_the_project(config, monkeypatch) -> None:
    (config / "application_default_credentials.json").write_text(json.dumps(USER))
    named = config / "key.json"
    named.write_text(json.dumps(USER))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(named))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "mine")
    assert find() == Found(file=str(named), project="mine")


def test_the_active_configuration_names_the_project(config) -> None:
    (config / "application_default_credentials.json").write_text(json.dumps(USER))
    (config / "active_config").write_text("work\n")
    configure(config, "default", "[core]\nproject = other\n")
    configure(config, "work", "[core]\naccount = me@example.com\nproject = at-work\n")
    assert find().project == "at-work"


def test_a_plain_gcloud_login(config) -> None:
    configure(config, "default", "[core]\naccount = me@example.com\nproject = p\n")
    gcloud_store(config, "me@example.com", json.dumps(USER))
    found = find()
    assert found == Found(file=str(config / "credentials.db"), gcloud_account="me@example.com", project="p")
    assert load_credentials(found).refresh_token == "r"


@pytest.mark.parametrize("value", ["", "{", "[]", "{}"])
def test_broken_stores_are_said_to_be(config, value) -> None:
    configure(config, "default", "[core]\naccount = me@example.com\n")
    gcloud_store(config, "me@example.com", value)
    with pytest.raises(ProviderError, match="cannot be read"):
        load_credentials(find())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"type": "unknown"}'])
def test_broken_files_are_said_to_be(config, text) -> None:
    (config / "application_default_credentials.json").write_text(text)
    with pytest.raises(ProviderError, match=r"cannot be read.*run: gcloud auth"):
        load_credentials(find())


def test_a_broken_configuration_is_no_configuration(config) -> None:
    configure(config, "default", "no section\n")
    assert find() == Found()
