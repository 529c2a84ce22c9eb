"""Which library opens a place, and what a person is told where it is missing."""

from __future__ import annotations

import importlib.util

import pytest

from tradewind.broker.bucket import BucketError
from tradewind.broker.provision.places import Places


def test_by_ssh_only_what_looks_at_host_keys_is_used(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsspec's own way there would take any key, and is not fallen back to."""
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "sshfs" else found(name, *more)
    )
    with pytest.raises(BucketError, match=r"sftp://host/x needs sshfs.*pip install 'tradewind\[buckets\]' sshfs"):
        Places(str(tmp_path)).get("sftp://host/x")
