"""The first-boot document: YAML that holds what it must, below every cloud's limit, the same each time."""

from __future__ import annotations

import os
import pathlib
import subprocess
import time

import yaml

from tradewind.broker.provider import LaunchRequest
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.user_data import LEASE_FILE, USER_DATA_LIMIT, user_data, with_login
from tradewind.catalog.offer import Offer

OFFER = Offer("aws", "us-east-1", "use1-az1", "c5.large", "x86_64", 2, 4, "", 0, None, 0.085, 0.03)
REQUEST = LaunchRequest("i-one", "c1", 0, OFFER, False, 0.1, {"tradewind-instance": "i-one"}, 1_900_000_000.5)


def document(keys: KeyRing) -> dict:
    text = with_login(REQUEST, keys).user_data
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


def test_it_holds_user_keys_and_guard(keys: KeyRing) -> None:
    content = document(keys)
    (user,) = [u for u in content["users"] if isinstance(u, dict)]
    assert user["name"] == REQUEST.ssh_user
    assert user["ssh_authorized_keys"] == [keys.login().public]
    assert content["ssh_keys"]["ed25519_private"] == keys.host("i-one").private
    files = {f["path"]: f for f in content["write_files"]}
    assert files[LEASE_FILE]["content"].strip() == "1900000000"
    assert not content["ssh_pwauth"]
    assert len(with_login(REQUEST, keys).user_data) < USER_DATA_LIMIT / 2, "the clouds' own parts need room too"


def test_the_same_request_gives_the_same_bytes(keys: KeyRing) -> None:
    assert with_login(REQUEST, keys) == with_login(
        REQUEST, KeyRing(os.path.dirname(os.path.dirname(keys.private_path)))
    )
    assert with_login(with_login(REQUEST, keys), keys) == with_login(REQUEST, keys)


def test_the_guard_turns_the_machine_off_only_when_the_lease_is_over_and_no_agent_runs(
    tmp_path: pathlib.Path, keys: KeyRing
) -> None:
    text = user_data(ssh_user="u", login_public="k", host_key=keys.host("x"), lease_until_unix=0)
    files = {f["path"]: f["content"] for f in yaml.safe_load(text)["write_files"]}
    lease = tmp_path / "lease"
    guard = (
        files["/usr/local/sbin/tradewind-lease-guard"].replace(LEASE_FILE, str(lease)).replace("sleep 30", "sleep 0.02")
    )
    (tmp_path / "guard").write_text(guard)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "systemctl").write_text(f"#!/bin/sh\necho off >>{tmp_path}/power\nkill $PPID\n")
    (tools / "pgrep").write_text(f"#!/bin/sh\ntest -e {tmp_path}/agent\n")  # whether an agent runs
    for tool in tools.iterdir():
        tool.chmod(0o755)

    def runs(seconds: float) -> bool:
        (tmp_path / "power").unlink(missing_ok=True)
        env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        process = subprocess.Popen(["sh", str(tmp_path / "guard")], env=env, stderr=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return not (tmp_path / "power").exists()

    lease.write_text(f"{time.time() + 100:.0f}\n")
    assert runs(0.5)
    lease.write_text(f"{time.time() - 100:.0f}\n")
    (tmp_path / "agent").touch()
    assert runs(0.5)
    (tmp_path / "agent").unlink()
    assert not runs(10)
    lease.unlink()  # without a lease there is none
    assert not runs(10)
