"""What goes wrong between buying a machine and the job, through the command line and a real daemon, on real machines: one sentence, what the machine
said kept, and it is ended.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from clouds.estate import Estate, open_estate
from clouds.lab.namespaces import SSHD_CONFIG, Host, Lab
from clouds.shell import Shell
from tests.broker.nursery import Nursery
from tests.broker.real import until
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.server.client import DaemonClient

ON_GCP = "name: mine\nresources: {infra: gcp, use_spot: true}\n"
IMAGE = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64"
BOOT_DEADLINE_S = 4.0
SMALL_DISK = "#!/bin/sh\nmkdir -p $D && mount -t tmpfs -o size=3m none $D && chown 4242 $D\n".replace(
    "$D", "/home/tradewind/.tradewind"
)
# The image's interpreters have nothing beside their own library.
BARE = "#!/bin/sh\numount -l /opt/lab/site-packages\n"


@pytest.fixture
def estate(lab: Lab, nursery: Nursery, tmp_path: pathlib.Path) -> Iterator[Estate]:
    with open_estate(tmp_path, lab, nursery) as estate:
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


def why_it_failed(estate: Estate, shell: Shell, task: str = "task.yaml", *, machines: int = 1) -> str:
    """A launch fails after so many machines, which are ended; the sentence that a person reads."""
    before = len(estate.bought())
    said = shell.types("launch", task, "--catalog", estate.catalog, "-y", exit_code=1)
    until("nothing is left", lambda: estate.held() == [], lambda: str(estate.held()))
    shell.types("down", "mine", "-y")
    assert len(estate.bought()) - before == machines, "what another machine would do too is not bought again"
    sentence = said.strip().splitlines()[-1]
    assert sentence.startswith("job 1 on mine: LOST: "), said
    return sentence


def printed(why: str) -> str:
    """What the machine printed while it booted, from where the sentence says it is kept."""
    return pathlib.Path(why.rpartition(" is in ")[2]).read_text()


@pytest.mark.timeout(240)
def test_machines_that_never_become_nodes(estate: Estate, lab: Lab, tmp_path: pathlib.Path) -> None:
    """One daemon meets them all: starting one for each would cost more than the rest."""
    estate.start()
    (tmp_path / "task.yaml").write_text(ON_GCP + "run: echo hi\n")
    shell = Shell(estate, tmp_path)
    with images(lab, authorized=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUF other",)):
        why = why_it_failed(estate, shell)
    assert "did not accept our key (tried for 4 s)" in why
    assert printed(why)
    with images(lab, files={"/etc/ssh/lab_sshd_config": (SSHD_CONFIG + "Port 2022\n", 0o644)}):
        why = why_it_failed(estate, shell, machines=cm.MAX_BOOTSTRAP_FAILURES)
    assert "(tried for 4 s)" in why, "an sshd that never comes"
    assert printed(why)
    (tmp_path / "own.yaml").write_text(ON_GCP.replace("infra", f"image_id: {IMAGE}, infra") + "run: echo hi\n")
    with images(lab, files={"/etc/ssh/lab_sshd_config": (SSHD_CONFIG + "Port 2022\n", 0o644)}):
        assert "(tried for 4 s)" in why_it_failed(estate, shell, task="own.yaml"), "the same of an image that one named"
    with images(lab, host_key=KeyRing(str(tmp_path / "other")).host("another").private):
        why = why_it_failed(estate, shell)
    assert "showed a host key that is not the one this machine was given" in why
    assert "nothing was sent" in why
    with images(lab, files={"/etc/lab/run.d/small-disk": (SMALL_DISK, 0o755)}):
        why = why_it_failed(estate, shell)
    assert "the instance's disk is full" in why
    assert "ask for more with disk_size" in why
    with images(lab, files={"/etc/lab/run.d/bare": (BARE, 0o755)}):
        why = why_it_failed(estate, shell)
    assert re.search("the instance does not reach (its package index|astral.sh): (pip|uv) could not", why), why
    assert "an image that has tradewind's dependencies" in why


@pytest.mark.timeout(180)
def test_ctrl_c_in_set_up_while_it_runs_is_stopped_started_and_ended(
    estate: Estate, client: DaemonClient, tmp_path: pathlib.Path
) -> None:
    """What is under way goes on, each time with a line that says so; `down` goes on too, and leaves nothing."""
    shell = Shell(estate, tmp_path)
    (tmp_path / "task.yaml").write_text(ON_GCP + "setup: echo preparing; sleep 600\nrun: echo never\n")
    setting_up = shell.starts("launch", "task.yaml", "--catalog", estate.catalog, "-y")
    setting_up.until("preparing")
    assert setting_up.interrupt() == (
        130, "detached; it goes on running. Come back with `tradewind logs mine 1`.",
    )  # fmt: skip
    assert client.get("/v1/clusters/mine/jobs")[0]["ended_unix"] is None
    shell.types("cancel", "mine", "--all")
    estate.gcp.slow(0.3)
    for verb, state in {"stop": "STOPPED", "start": "PROVISIONING"}.items():
        under_way = shell.starts(verb, "mine", *(["-y"] if verb == "stop" else []))
        until(f"{verb} is under way", lambda s=state: client.get("/v1/clusters/mine")["state"] == s, estate.daemon.log)
        assert under_way.interrupt() == (
            130, f"interrupted; the {verb} of mine goes on. `tradewind status` shows what has become of it.",
        )  # fmt: skip
    estate.gcp.slow(0)
    until("it is up again", lambda: client.get("/v1/clusters/mine")["state"] == "UP", estate.daemon.log)
    running = shell.starts("exec", "mine", "--", "echo running; sleep 600")
    running.until("running")
    assert running.interrupt() == (130, "detached; it goes on running. Come back with `tradewind logs mine 2`.")
    assert client.get("/v1/clusters/mine/jobs")[1]["state"] == "RUNNING"
    estate.gcp.slow(0.3)
    ending = shell.starts("down", "mine", "-y")
    until("it is being ended", lambda: client.get("/v1/clusters/mine")["state"] == "TERMINATING", estate.daemon.log)
    assert ending.interrupt() == (
        130, "interrupted; mine goes on being ended. `tradewind status` shows when nothing of it is left.",
    )  # fmt: skip
    estate.gcp.slow(0)
    until("it is ended", lambda: client.get("/v1/clusters/mine")["state"] == "TERMINATED", estate.daemon.log)
    assert estate.held() == []


@pytest.mark.timeout(180)
def test_a_set_up_that_fails_is_shown_and_the_machine_kept_or_ended_as_asked(
    estate: Estate, client: DaemonClient, tmp_path: pathlib.Path
) -> None:
    fails = "setup: echo preparing; exit 7\nrun: echo never\n"
    (tmp_path / "task.yaml").write_text(ON_GCP + fails)
    shell = Shell(estate, tmp_path)
    said = shell.types("launch", "task.yaml", "--catalog", estate.catalog, "-y", exit_code=1)
    assert "preparing" in said
    assert "setup on rank 0 exited with code 7" in said
    assert "never" not in said
    assert client.get("/v1/clusters/mine")["state"] == "UP"
    assert "preparing" in shell.types("logs", "mine", "1", exit_code=1)
    assert "nothing of it is left" in shell.types("down", "mine", "-y")
    assert estate.held() == []
    said = shell.types("launch", "task.yaml", "--catalog", estate.catalog, "-y", "--down", exit_code=1)
    assert "setup on rank 0 exited with code 7" in said
    until("it is ended", lambda: client.get("/v1/clusters/mine")["state"] == "TERMINATED", estate.daemon.log)
    assert estate.held() == []
