"""A daemon without any setting at all, through name resolution and a test authority, with credentials where the vendors' commands leave them."""

from __future__ import annotations

import json
import pathlib

import pytest

from clouds import own_names
from clouds.fakes.internet import NAMES

GOOGLE_USER = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}


@pytest.mark.parametrize("cloud", ["gcp", "azure"])
def test_a_life_with_default_clients(cloud: str, tmp_path: pathlib.Path) -> None:
    if why := own_names.why_not():
        pytest.skip(why)
    gcloud = tmp_path / ".config" / "gcloud"
    gcloud.mkdir(parents=True)
    (gcloud / "application_default_credentials.json").write_text(json.dumps(GOOGLE_USER))
    (gcloud / "configurations").mkdir()
    (gcloud / "configurations" / "config_default").write_text("[core]\nproject = demo-project\n")
    identity = "00000000-0000-0000-0000-00000000000"
    environment = {
        "HOME": str(tmp_path),
        "NO_GCE_CHECK": "true",
        "AZURE_CLIENT_ID": identity + "2",
        "AZURE_TENANT_ID": identity + "3",
        "AZURE_CLIENT_SECRET": "secret",
        "AZURE_SUBSCRIPTION_ID": identity + "1",
    }
    said = json.loads(own_names.run(NAMES, tmp_path, environment, "clouds.fakes.internet", cloud))
    assert said["said"]["works"], said["said"]["findings"]
    assert (said["said"]["state"], said["said"]["bought"]) == ("BOOTSTRAPPING", 1)
    assert said["held"] == []
    assert said["violations"] == []
    assert said["tokens"] >= 1
