"""Git repositories as work directories: fetched here with the person's own git and its credentials, pinned to a commit, and copied as any directory is.

So that no credential reaches a node, and every node, further job and recovery runs the same commit.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import time
from collections import defaultdict

from tradewind.spec.storage import GitSource

FETCH_DEADLINE_S = 240.0
KEPT_S = 86400.0  # a checkout that nobody has copied for so long is removed; it can be made again
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_WITH_PASSWORD = re.compile(r"[a-z+]+://[^/@]*:[^/@]*@|https?://[^/@]+@")


class GitError(Exception):
    """A repository cannot be used; one sentence."""


class Repositories:
    """The repositories that were asked for, below `git/` in the data directory."""

    def __init__(self, data_dir: str) -> None:
        self._root = os.path.join(data_dir, "git")
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def pin(self, source: GitSource) -> GitSource:
        """The same repository at the commit that its ref (None: the default branch) means now; it has been fetched.

        Raises:
            GitError: it cannot be fetched with this person's git, or has no such ref.
        """
        if _WITH_PASSWORD.match(source.url):
            raise GitError(
                "workdir.url holds a password or token, which others could read; leave it to git's credential helper, or use SSH"
            )
        if source.url.startswith("-") or (source.ref or "").startswith("-"):
            raise GitError("workdir: a url or ref does not begin with a dash")
        async with self._locks[source.url]:
            return GitSource(source.url, await self._fetched(source))

    async def checkout(self, source: GitSource) -> str:
        """A directory that holds the pinned commit, and its history of one as `.git`. Raises GitError."""
        assert source.ref is not None, "it was pinned when it was submitted"
        path = os.path.join(self._root, f"{_key(source.url)}-{source.ref[:16]}")
        async with self._locks[source.url]:
            if not _is_there(path):
                mirror = self._mirror(source.url)
                if not _is_there(mirror) or not await self._has(mirror, source.ref):
                    await self._fetched(source)
                await self._extract(mirror, source, path)
            os.utime(path)
            await asyncio.to_thread(self._forget_old, keep=path)
        return path

    def _mirror(self, url: str) -> str:
        return os.path.join(self._root, f"{_key(url)}.git")

    async def _fetched(self, source: GitSource) -> str:
        """The commit, which the mirror has now."""
        mirror, ref = self._mirror(source.url), source.ref
        os.makedirs(self._root, mode=0o700, exist_ok=True)
        if not _is_there(mirror):
            await _git("init", "--quiet", "--bare", mirror)
            await _git("-C", mirror, "config", "uploadpack.allowAnySHA1InWant", "true")
        refs = ("+HEAD:refs/tradewind/default", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        await _git("-C", mirror, "fetch", "--quiet", "--prune", "--", source.url, *refs)
        if ref is None:
            return await _git("-C", mirror, "rev-parse", "--verify", "--quiet", "refs/tradewind/default^{commit}")
        for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
            found = await _git("-C", mirror, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False)
            if found:
                return found
        if _COMMIT.fullmatch(ref):  # one that no branch leads to any more
            await _git("-C", mirror, "fetch", "--quiet", "--", source.url, ref)
            return ref
        raise GitError(f"{source.url} has no branch, tag or commit {ref}")

    async def _has(self, mirror: str, commit: str) -> bool:
        return bool(await _git("-C", mirror, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}", check=False))

    async def _extract(self, mirror: str, source: GitSource, path: str) -> None:
        """The checkout stands there whole, or not at all."""
        assert source.ref is not None, "it was pinned"
        draft = f"{path}.part"
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        await _git("init", "--quiet", draft)
        await _git("-C", draft, "fetch", "--quiet", "--depth", "1", "--", f"file://{mirror}", source.ref)
        await _git("-C", draft, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", source.ref)
        await _git("-C", draft, "remote", "add", "origin", source.url)
        os.rename(draft, path)

    def _forget_old(self, *, keep: str) -> None:
        for entry in os.scandir(self._root):
            if entry.path != keep and not entry.name.endswith(".git") and entry.stat().st_mtime < time.time() - KEPT_S:
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_there(path: str) -> bool:
    return os.path.isdir(path)


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


async def _git(*arguments: str, check: bool = True) -> str:
    """What git prints. It asks nobody anything. Raises GitError."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    }
    environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    try:
        process = await asyncio.create_subprocess_exec(
            "git", *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=environment,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise GitError(
            "git is not installed here, and the workdir is a repository; install it (apt-get install git)"
        ) from error
    try:
        async with asyncio.timeout(FETCH_DEADLINE_S):
            out, err = await process.communicate()
    except BaseException as error:
        process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            raise GitError(
                f"git did not end within {FETCH_DEADLINE_S:.0f} s: git {' '.join(arguments[-3:])}"
            ) from error
        raise
    if process.returncode and check:
        lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
        said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
        raise GitError(f"the repository cannot be fetched with your git: {said.partition(': ')[2] or said}")
    return out.decode(errors="replace").strip()
