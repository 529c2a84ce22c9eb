"""Copies over a real sshd: equal, incremental, removing what went, keeping what jobs made."""

from __future__ import annotations

import asyncio
import os
import pathlib

import pytest

from clouds.lab.sshd import Sshd
from clouds.provision.test_ssh_transport import connected
from tradewind.broker.provider import ProviderError, RunResult
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.ssh_put import SshCopy


def tree(root: pathlib.Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = "directory"
        else:
            found[name] = (path.read_bytes(), path.stat().st_mode & 0o777, path.stat().st_mtime_ns // 1000)
    return found


@pytest.fixture
def source(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "source"
    (root / "package" / "deep").mkdir(parents=True)
    (root / "train.py").write_text("print('hello')\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "package" / "deep" / "odd name\n'é*.bin").write_bytes(bytes(range(256)) * 100)
    (root / "latest").symlink_to("package/deep")
    (root / "dangling").symlink_to("/nowhere/at/all")
    return root


def test_a_directory_and_its_changes(sshd: Sshd, keys: KeyRing, source: pathlib.Path) -> None:
    target = sshd.home / "workdir"

    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            await transport.put(str(source), "workdir")
            assert tree(target) == tree(source)
            untouched = (target / "train.py").stat().st_ino
            (target / "results").mkdir()
            (target / "results" / "out.txt").write_text("made by a job")
            (target / "package" / "cache").write_text("made by a job")

            (source / "run.sh").unlink()
            (source / "latest").unlink()
            (source / "latest").mkdir()
            (source / "latest" / "now a directory").write_text("x")
            (source / "package" / "deep" / "odd name\n'é*.bin").write_bytes(b"new")
            await transport.put(str(source), "workdir")
            after = tree(target)
            assert after.pop("results") == "directory"
            assert after.pop("results/out.txt")
            assert after.pop("package/cache")
            assert after == tree(source)
            assert (target / "train.py").stat().st_ino == untouched, "what did not differ was not written"

            (target / "train.py").write_text("changed by a job")
            await transport.put(str(source), "workdir")
            assert (target / "train.py").read_text() == "print('hello')\n"

    asyncio.run(scenario())


def test_a_directory_that_held_a_jobs_file_stays(sshd: Sshd, keys: KeyRing, source: pathlib.Path) -> None:
    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            await transport.put(str(source), "w")
            (sshd.home / "w" / "package" / "log").write_text("a job's")
            for path in (source / "package" / "deep").iterdir():
                path.unlink()
            (source / "package" / "deep").rmdir()
            (source / "package").rmdir()
            await transport.put(str(source), "w")
            assert (sshd.home / "w" / "package" / "log").read_text() == "a job's"
            assert not (sshd.home / "w" / "package" / "deep").exists()

    asyncio.run(scenario())


def test_nothing_is_written_or_removed_behind_a_link(
    sshd: Sshd, keys: KeyRing, source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    async def scenario() -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        async with connected(sshd, keys) as transport:
            await transport.put(str(source), "w")
            deep = sshd.home / "w" / "package" / "deep"
            for path in deep.iterdir():
                path.rename(outside / path.name)
            deep.rmdir()
            deep.symlink_to(outside)
            before = tree(outside)
            await transport.put(str(source), "w")
            assert tree(outside) == before
            assert tree(sshd.home / "w") == tree(source)

    asyncio.run(scenario())


def test_single_files(sshd: Sshd, keys: KeyRing, source: pathlib.Path) -> None:
    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            await transport.put(str(source / "run.sh"), "bin/go[1].sh")
            placed = sshd.home / "bin" / "go[1].sh"
            assert placed.read_text() == "#!/bin/sh\n"
            assert placed.stat().st_mode & 0o777 == 0o755
            inode = placed.stat().st_ino
            await transport.put(str(source / "run.sh"), "bin/go[1].sh")
            assert placed.stat().st_ino == inode

    asyncio.run(scenario())


def test_refusals_say_what(sshd: Sshd, keys: KeyRing, source: pathlib.Path) -> None:
    async def scenario() -> None:
        async with connected(sshd, keys) as transport:
            with pytest.raises(ProviderError, match="leaves the instance's home"):
                await transport.put(str(source), "../elsewhere")
            with pytest.raises(ProviderError, match="cannot be read"):
                await transport.put(str(source / "absent"), "w")
            (sshd.home / "file").write_text("in the way")
            with pytest.raises(ProviderError, match="file"):
                await transport.put(str(source), "file/w")

    asyncio.run(scenario())


def test_a_disk_that_is_full_is_told_with_what_to_do(source: pathlib.Path) -> None:
    class Full:
        """A shell on a machine that has no room left."""

        home = "/h"

        async def script(self, script: str, **_: object) -> RunResult:
            return RunResult(1, b"", b"mkdir: cannot create directory '/h/w': No space left on device")

        def error(self, code: str, message: str) -> ProviderError:
            return ProviderError("gcp", code, message)

    with pytest.raises(
        ProviderError, match="the instance's disk is full: /h/w .*; ask for more with disk_size"
    ) as caught:
        asyncio.run(SshCopy(Full()).put(str(source), "w"))
    assert caught.value.code == "DiskFull"
