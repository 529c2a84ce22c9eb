"""What goes wrong between buying a machine and the job, on real machines through a real daemon: one sentence, what it said kept, and it is ended."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from clouds.estate import Estate, open_estate
from clouds.lab.namespaces import SSHD_CONFIG, Host, Lab, open_lab
from clouds.shell import Shell
from tests.broker.real import task, until
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.server.client import DaemonClient

ON_GCP = "name: mine\nresources: {infra: gcp, use_spot: true}\n"
BOOT_DEADLINE_S = 4.0
SMALL_DISK = "#!/bin/sh\nmkdir -p $D && mount -t tmpfs -o size=3m none $D && chown 4242 $D\n".replace(
    "$D", "/home/tradewind/.tradewind"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        yield lab


@pytest.fixture
def estate(lab: Lab, tmp_path: pathlib.Path) -> Iterator[Estate]:
    with open_estate(tmp_path, lab) as estate:
        path = pathlib.Path(estate.data_dir, "clouds.yaml")
        settings = json.loads(path.read_text())
        settings["gcp"]["boot_deadline_s"] = BOOT_DEADLINE_S
        path.write_text(json.dumps(settings))
        yield estate


@pytest.fixture
def client(estate: Estate) -> DaemonClient:
    return estate.start()


@contextlib.contextmanager
def images(lab: Lab, *, files: dict[str, tuple[str, int]] | None = None, **changes: Any) -> Iterator[None]:
    """While this is open, machines are made with these changes."""
    plain = lab.host

    def changed(addresses: tuple[str, ...], **given: Any) -> Host:
        return plain(addresses, **{**given, **changes, "files": {**given["files"], **(files or {})}})

    lab.host = changed  # type: ignore[method-assign]
    try:
        yield
    finally:
        lab.host = plain  # type: ignore[method-assign]


def why_it_failed(estate: Estate, client: DaemonClient) -> str:
    """A launch fails, and its machine is ended; the sentence that a person reads."""
    text = ON_GCP + "run: echo hi\n"
    client.post("/v1/launch", {"task": task(text), "accepted_hourly_usd": 1.0, "catalog": estate.catalog})
    seen = until(
        "it fails", lambda: (c := client.get("/v1/clusters/mine"))["state"] == "FAILED" and c, estate.daemon.log
    )
    until("nothing is left", lambda: estate.held() == [], lambda: str(estate.held()))
    client.post("/v1/clusters/mine/down")
    return str(seen["why"])


def printed(why: str) -> str:
    """What the machine printed while it booted, from where the sentence says it is kept."""
    return pathlib.Path(why.rpartition(" is in ")[2]).read_text()


@pytest.mark.timeout(240)
def test_machines_that_never_become_nodes(
    estate: Estate, client: DaemonClient, lab: Lab, tmp_path: pathlib.Path
) -> None:
    """One daemon meets them all: starting one for each would cost more than the rest."""
    with images(lab, authorized=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUF other",)):
        why = why_it_failed(estate, client)
    assert "did not accept our key (tried for 4 s)" in why
    assert printed(why)
    with images(lab, files={"/etc/ssh/lab_sshd_config": (SSHD_CONFIG + "Port 2022\n", 0o644)}):
        why = why_it_failed(estate, client)
    assert "(tried for 4 s)" in why, "an sshd that never comes"
    assert printed(why)
    with images(lab, host_key=KeyRing(str(tmp_path / "other")).host("another").private):
        why = why_it_failed(estate, client)
    assert "showed a host key that is not the one this machine was given" in why
    assert "nothing was sent" in why
    with images(lab, files={"/etc/lab/run.d/small-disk": (SMALL_DISK, 0o755)}):
        why = why_it_failed(estate, client)
    assert "the instance's disk is full" in why
    assert "ask for more with disk_size" in why


@pytest.mark.timeout(180)
def test_a_set_up_that_fails_is_shown_and_the_machine_kept_or_ended_as_asked(
    estate: Estate, client: DaemonClient, tmp_path: pathlib.Path
) -> None:
    fails = "setup: echo preparing; exit 7\nrun: echo never\n"
    (tmp_path / "task.yaml").write_text(ON_GCP + fails)
    (tmp_path / "here.yaml").write_text("name: here\nresources: {infra: local}\n" + fails)
    shell = Shell(estate, tmp_path)
    said = shell.types("launch", "task.yaml", "--catalog", estate.catalog, "-y", exit_code=1)
    assert "preparing" in said
    assert "setup on rank 0 exited with code 7" in said
    assert "never" not in said
    assert client.get("/v1/clusters/mine")["state"] == "UP"
    assert "preparing" in shell.types("logs", "mine", "1", exit_code=1)
    assert "nothing of it is left" in shell.types("down", "mine", "-y")
    assert estate.held() == []
    said = shell.types("launch", "here.yaml", "-y", "--down", exit_code=1)
    assert "setup on rank 0 exited with code 7" in said
    until("it is ended", lambda: client.get("/v1/clusters/here")["state"] == "TERMINATED", estate.daemon.log)
