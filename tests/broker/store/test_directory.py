"""The data directory: whose it may be, where it may lie, who holds it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tradewind.broker.store import directory
from tradewind.broker.store.errors import DataDirectoryBusy, DataDirectoryError

MOUNTS = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:40 / /mnt/share rw - nfs4 server:/x rw
31 30 0:41 / /mnt/share/local rw - tmpfs tmpfs rw
32 22 0:42 / /with\\040space rw - cifs //s/x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/mnt/share/me", "nfs4"),
        ("/mnt/share", "nfs4"),
        ("/mnt/shared", "ext4"),
        ("/mnt/share/local/me", "tmpfs"),
        ("/with space/x", "cifs"),
    ],
)
def test_the_file_system_is_that_of_the_longest_mount_point(path, kind):
    assert directory.file_system_of(path, MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(directory, "file_system_of", lambda _path, _text: "nfs4")
    with pytest.raises(DataDirectoryError, match=r"network file system \(nfs4\).*TRADEWIND_DATA_DIR"):
        directory.prepare(str(tmp_path))


def test_it_is_made_and_closed_to_others(tmp_path):
    path = tmp_path / "a" / "b"
    assert directory.prepare(str(path)) == str(path)
    os.chmod(path, 0o755)
    directory.prepare(str(path))
    assert path.stat().st_mode & 0o777 == 0o700


def test_a_file_in_its_place_is_one_sentence(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(DataDirectoryError, match="data directory cannot be made"):
        directory.prepare(str(tmp_path / "f" / "x"))


def test_the_lock_is_held_by_one_and_freed_by_death(tmp_path):
    program = (
        "import sys\nfrom tradewind.broker.store import directory\n"
        f"directory.lock({str(tmp_path)!r})\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DataDirectoryBusy, match="another daemon holds"):
            directory.lock(str(tmp_path))
        other.kill()
        other.wait()
    os.close(directory.lock(str(tmp_path)))
