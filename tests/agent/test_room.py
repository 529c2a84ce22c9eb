"""A full disk is told apart from other trouble, and silences nothing but the line that it has no room for."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

import pytest

from tradewind.agent.checkpoints.store import StoreError
from tradewind.agent.own_log import note
from tradewind.agent.room import is_full, is_out_of_room


def raised_from(cause: BaseException) -> StoreError:
    try:
        raise StoreError("checkpoints could not be restored") from cause
    except StoreError as error:
        return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (raised_from(OSError(errno.ENOSPC, "No space left on device")), True),
        (raised_from(ValueError("no JSON")), False),
    ],
)
def test_what_a_full_disk_is(error: Exception, full: bool) -> None:
    assert is_out_of_room(error) is full


def test_a_disk_with_room_and_none_at_all(tmp_path) -> None:
    assert not is_full(str(tmp_path))
    assert not is_full(str(tmp_path / "nowhere"))


def test_a_note_that_has_no_room_is_left_out_and_the_next_one_stands(capfd, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", full)
        note("this one is lost")
    with contextlib.suppress(OSError):
        full.close()
    note("this one is not")
    assert capfd.readouterr().err == "this one is not\n"
