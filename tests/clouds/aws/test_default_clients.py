"""A daemon without any setting at all, through name resolution and a test authority, with credentials where `aws configure` leaves them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from clouds.fakes.aws.internet import names
from clouds.fakes.certificate import authority_and_server, write_authority
from clouds.lab.namespaces import why_no_lab

ROOT = pathlib.Path(__file__).resolve().parents[3]
# a world of its own: the only network is the loopback, and the vendor's names lead there
ENTER = 'ip link set lo up && mount --bind "$1" /etc/hosts && shift && exec "$@"'


def test_a_life_with_default_clients(tmp_path: pathlib.Path) -> None:
    if why := why_no_lab():
        pytest.skip(why)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example\n"
    )
    (tmp_path / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n")
    hosts = names()
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in hosts))
    server = tmp_path / "server.pem"
    server.write_bytes(authority_and_server(*hosts)[1])
    environment = {
        "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
        "HOME": str(tmp_path),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "AWS_CA_BUNDLE": write_authority(str(tmp_path), *hosts),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [sys.executable, "-m", "clouds.fakes.aws.internet", str(server)]
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", ENTER, "enter", str(tmp_path / "hosts"), *command],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert said["said"]["works"], said["said"]["findings"]
    assert said["said"]["findings"][0]["why"].startswith("arn:aws:")
    assert (said["said"]["state"], said["said"]["bought"]) == ("BOOTSTRAPPING", 1)
    assert said["held"] == []
    assert said["regions"] > 10, "every enabled region was asked"
