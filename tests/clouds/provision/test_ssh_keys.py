"""Keys: OpenSSH takes them, they are the same every time, and nobody else can read them."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import shutil
import stat
import subprocess

import asyncssh
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.broker.provision.ssh_keys import KeyRing, key_pair


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")
def test_openssh_reads_what_is_written(tmp_path: pathlib.Path) -> None:
    pair = KeyRing(str(tmp_path)).host("i-one")
    path = tmp_path / "key"
    path.write_text(pair.private)
    path.chmod(0o600)
    told = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True).stdout
    assert told.split()[:2] == pair.public.split()[:2]


@given(seed=st.binary(min_size=32, max_size=32), comment=st.text("abcdefghij-0123456789", max_size=80))
@settings(max_examples=50, deadline=None)
def test_any_pair_fits_together(seed: bytes, comment: str) -> None:
    pair = key_pair(seed, comment=comment)
    assert pair == key_pair(seed, comment=comment)
    private = asyncssh.import_private_key(pair.private)
    public = asyncssh.import_public_key(pair.public)
    assert public.verify(b"data", private.sign(b"data", b"ssh-ed25519"))


def test_keys_are_kept_and_differ(tmp_path: pathlib.Path) -> None:
    ring, later, other = KeyRing(str(tmp_path / "a")), KeyRing(str(tmp_path / "a")), KeyRing(str(tmp_path / "b"))
    assert ring.login() == later.login()
    assert ring.host("i-1") == later.host("i-1")
    publics = {
        ring.login().public,
        other.login().public,
        ring.host("i-1").public,
        ring.host("i-2").public,
        other.host("i-1").public,
    }
    assert len({line.split()[1] for line in publics}) == 5


def test_only_the_owner_reads_them(tmp_path: pathlib.Path) -> None:
    ring = KeyRing(str(tmp_path))
    ring.login()
    ring.host("i-1")
    assert stat.S_IMODE(os.stat(tmp_path / "ssh").st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "ssh").iterdir()} == {0o600}
    assert "PRIVATE" not in repr(ring.login())


def test_made_at_once_by_many_they_are_one(tmp_path: pathlib.Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: KeyRing(str(tmp_path)).login(), range(32)))
    assert len({pair.private for pair in made}) == 1
    assert not [p for p in (tmp_path / "ssh").iterdir() if p.name.count(".") > 1]
