"""Credentials are found where the az command leaves them."""

from __future__ import annotations

import json
import pathlib

import pytest

from tradewind.broker.clouds.azure.session import Found, find, load_credentials
from tradewind.broker.provider import ProviderError

PROFILE = {"subscriptions": [{"id": "one", "isDefault": False}, {"id": "two", "isDefault": True}]}


@pytest.fixture
def config(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install_az(config: pathlib.Path) -> None:
    (config / "az").write_text("#!/bin/sh\nexit 1\n")
    (config / "az").chmod(0o755)


def test_nothing(config) -> None:
    assert find() == Found()
    with pytest.raises(ProviderError, match="az login"):
        load_credentials(find())


def test_az_login(config) -> None:
    install_az(config)
    (config / "azureProfile.json").write_text("\ufeff" + json.dumps(PROFILE), encoding="utf-8")
    assert find() == Found("az", "two")
    assert type(load_credentials(find())).__name__ == "AzureCliCredential"


def test_a_profile_without_the_command_is_no_login(config) -> None:
    (config / "azureProfile.json").write_text(json.dumps(PROFILE))
    assert find() == Found("", "two")


def test_a_service_principal_in_the_environment(config, monkeypatch) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.setenv(name, "00000000-0000-0000-0000-000000000002")
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "mine")
    assert find() == Found("environment", "mine")
    assert type(load_credentials(find())).__name__ == "EnvironmentCredential"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"subscriptions": 7}', '{"subscriptions": [7]}', '{"subscriptions": [{"isDefault": true}]}'],
)
def test_a_broken_profile_is_no_login(config, text) -> None:
    install_az(config)
    (config / "azureProfile.json").write_text(text)
    assert find() == Found()
