"""A daemon without any setting at all, through name resolution and a test authority, with credentials where the vendors' commands leave them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from clouds.fakes.certificate import authority_and_server, write_authority
from clouds.fakes.internet import NAMES
from clouds.lab.namespaces import why_no_lab

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOOGLE_USER = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
# a world of its own: the only network is the loopback, and the vendors' names lead there
ENTER = 'ip link set lo up && mount --bind "$1" /etc/hosts && shift && exec "$@"'


@pytest.mark.parametrize("cloud", ["gcp", "azure"])
def test_a_life_with_default_clients(cloud: str, tmp_path: pathlib.Path) -> None:
    if why := why_no_lab():
        pytest.skip(why)
    gcloud = tmp_path / ".config" / "gcloud"
    gcloud.mkdir(parents=True)
    (gcloud / "application_default_credentials.json").write_text(json.dumps(GOOGLE_USER))
    (gcloud / "configurations").mkdir()
    (gcloud / "configurations" / "config_default").write_text("[core]\nproject = demo-project\n")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in NAMES))
    identity = "00000000-0000-0000-0000-00000000000"
    environment = {
        "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
        "HOME": str(tmp_path),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "REQUESTS_CA_BUNDLE": write_authority(str(tmp_path), *NAMES),
        "NO_GCE_CHECK": "true",
        "AZURE_CLIENT_ID": identity + "2",
        "AZURE_TENANT_ID": identity + "3",
        "AZURE_CLIENT_SECRET": "secret",
        "AZURE_SUBSCRIPTION_ID": identity + "1",
    }
    server = tmp_path / "server.pem"
    server.write_bytes(authority_and_server(*NAMES)[1])
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", ENTER, "enter", str(tmp_path / "hosts"),
         sys.executable, "-m", "clouds.fakes.internet", cloud, str(server)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert said["said"]["works"], said["said"]["findings"]
    assert (said["said"]["state"], said["said"]["bought"]) == ("BOOTSTRAPPING", 1)
    assert said["held"] == []
    assert said["violations"] == []
    assert said["tokens"] >= 1
