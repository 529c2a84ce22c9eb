"""A directory on a machine that one logs in to as a place for checkpoints: sshfs against a real sshd, whose host key has to be known."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.buckets import walked
from clouds.lab.sshd import Sshd, needs_sshd, running_sshd
from tradewind.broker.provision.ssh_keys import KeyRing

pytestmark = needs_sshd
pytest.importorskip("sshfs", reason="no sshfs here: it is among the dev extra's")


@pytest.fixture
def sshd(tmp_path: pathlib.Path) -> Iterator[Sshd]:
    """A machine that lets this person in, and that they have never logged in to."""
    keys, dot_ssh = KeyRing(str(tmp_path / "keys")), tmp_path / "person" / ".ssh"
    dot_ssh.mkdir(parents=True, mode=0o700)
    identity = dot_ssh / "id_ed25519"
    identity.write_text(keys.login().private)
    identity.chmod(0o600)
    with running_sshd(tmp_path / "machine", keys.host("m"), keys.login().public) as sshd:
        yield sshd


def test_files_there_and_back_once_its_key_is_known(sshd: Sshd, tmp_path: pathlib.Path) -> None:
    person = tmp_path / "person"
    place = f"sftp://{sshd.address}:{sshd.port}{tmp_path}/machine/runs/digits"
    refused = walked(place, person)
    assert refused.startswith(f"{place}: its host key is not in your known_hosts")
    assert "log in once with ssh" in refused
    assert not (tmp_path / "machine" / "runs").exists()
    (person / ".ssh" / "known_hosts").write_text(f"[{sshd.address}]:{sshd.port} {sshd.host_key.public}\n")
    assert walked(place, person) == "works"
    assert [path.name for path in (tmp_path / "machine").rglob("*") if path.is_file() and "runs" in path.parts] == [
        "tradewind.txt"
    ]
