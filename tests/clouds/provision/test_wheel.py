"""Our wheel is a wheel: pip installs it and checks its record."""

from __future__ import annotations

import base64
import hashlib
import pathlib
import subprocess
import sys
import zipfile

from tradewind.broker.provision.wheel import build_wheel, write_wheel


def test_equal_packages_give_equal_bytes_and_every_file_is_recorded(tmp_path: pathlib.Path) -> None:
    wheel = build_wheel()
    assert build_wheel() == wheel
    path = write_wheel(wheel, str(tmp_path))
    assert write_wheel(wheel, str(tmp_path)) == path
    archive = zipfile.ZipFile(path)
    record = [
        line.split(",")
        for line in archive.read(f"{wheel.file_name.rsplit('-py3', 1)[0]}.dist-info/RECORD").decode().splitlines()
    ]
    assert [name for name, *_ in record] == archive.namelist()
    for name, digest, size in record[:-1]:
        data = archive.read(name)
        assert digest == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert int(size) == len(data)
    assert "tradewind/agent/protocol.py" in archive.namelist()
    assert not [name for name in archive.namelist() if "__pycache__" in name or name.startswith("tests")]
    assert {"msgspec", "cryptography"} <= {r.name for r in wheel.requirements}
    archive.close()


def test_pip_installs_it(tmp_path: pathlib.Path) -> None:
    path = write_wheel(build_wheel(), str(tmp_path))
    target = tmp_path / "site"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-index",
            "--target",
            str(target),
            path,
        ],
        check=True,
        timeout=100,
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import tradewind, importlib.metadata as m; print(tradewind.__file__); print(m.version('tradewind'))",
        ],
        env={"PYTHONPATH": str(target)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(target))
