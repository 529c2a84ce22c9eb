"""A data directory's keys, and a real sshd that knows them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.lab.sshd import SSHD, Sshd, running_sshd
from tradewind.broker.provision.ssh_keys import KeyRing


@pytest.fixture
def keys(tmp_path: pathlib.Path) -> KeyRing:
    return KeyRing(str(tmp_path / "data"))


@pytest.fixture
def sshd(tmp_path: pathlib.Path, keys: KeyRing) -> Iterator[Sshd]:
    if not SSHD:
        pytest.skip("no sshd here: apt-get install openssh-server")
    with running_sshd(tmp_path / "sshd", keys.host("i-one"), keys.login().public) as server:
        yield server
