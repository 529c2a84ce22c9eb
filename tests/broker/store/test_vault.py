"""Secrets at rest: sealed, bound to their job, and nothing of them in the record."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import text

from tradewind.broker.store.database import FILE_NAME, Store
from tradewind.broker.store.vault import KEY_FILE, SecretsUnreadable, Vault, forget

VALUE = "correct horse battery staple"


@pytest.fixture
def store(tmp_path):
    opened = Store(str(tmp_path))
    yield opened
    opened.close()


def test_they_come_back_and_nothing_of_them_lies_in_the_record(store, tmp_path):
    store.write(lambda c: Vault(str(tmp_path)).put(c, 1, {"TOKEN": VALUE}))
    assert store.read(lambda c: Vault(str(tmp_path)).get(c, 1)) == {"TOKEN": VALUE}
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        assert VALUE.encode() not in (tmp_path / name).read_bytes()
    assert os.stat(tmp_path / KEY_FILE).st_mode & 0o777 == 0o600
    store.write(lambda c: forget(c, 1))
    assert store.read(lambda c: Vault(str(tmp_path)).get(c, 1)) == {}


def test_a_row_copied_to_another_job_does_not_open(store, tmp_path):
    vault = Vault(str(tmp_path))
    store.write(lambda c: vault.put(c, 1, {"TOKEN": VALUE}))
    store.write(lambda c: c.execute(text("UPDATE secrets SET managed_job_id = 2")))
    with pytest.raises(SecretsUnreadable, match="TOKEN of managed job 2 does not open"):
        store.read(lambda c: vault.get(c, 2))


def test_a_lost_or_open_key_is_said(store, tmp_path):
    store.write(lambda c: Vault(str(tmp_path)).put(c, 1, {"TOKEN": VALUE}))
    os.chmod(tmp_path / KEY_FILE, 0o644)
    with pytest.raises(SecretsUnreadable, match="no key of yours alone"):
        store.read(lambda c: Vault(str(tmp_path)).get(c, 1))
    os.unlink(tmp_path / KEY_FILE)
    with pytest.raises(SecretsUnreadable, match="cannot be read"):
        store.read(lambda c: Vault(str(tmp_path)).get(c, 1))
