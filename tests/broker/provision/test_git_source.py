"""Repositories are pinned to a commit when they are submitted, and checked out as they were then."""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
from collections.abc import Callable

import pytest

from tradewind.broker.provision.git_source import GitError, Repositories
from tradewind.spec.storage import GitSource


@pytest.fixture
def commit(tmp_path: pathlib.Path) -> Callable[[str], str]:
    """Commits a text to the repository `origin`, and gives the commit."""
    origin = tmp_path / "origin"
    origin.mkdir()

    def git(*arguments: str) -> str:
        own = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "init.defaultBranch=trunk")
        ran = subprocess.run(["git", "-C", str(origin), *own, *arguments], check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    git("init", "--quiet")

    def make(text: str) -> str:
        (origin / "file").write_text(text)
        git("add", "file")
        git("commit", "--quiet", "-m", text)
        git("tag", f"v{text}")
        return git("rev-parse", "HEAD")

    return make


def held(path: str) -> str:
    return pathlib.Path(path, "file").read_text()


def test_a_branch_that_moves_on_moves_nothing_that_was_submitted(
    tmp_path: pathlib.Path, commit: Callable[[str], str]
) -> None:
    url = f"file://{tmp_path}/origin"

    async def scenario() -> None:
        first = commit("1")
        repositories = Repositories(str(tmp_path / "data"))
        pinned = await repositories.pin(GitSource(url))
        assert pinned == GitSource(url, first)
        second = commit("2")
        assert (await repositories.pin(GitSource(url, "trunk"))).ref == second
        assert (await repositories.pin(GitSource(url, "v1"))).ref == first
        assert (await repositories.pin(GitSource(url, first[:12]))).ref == first
        paths = await asyncio.gather(*(repositories.checkout(pinned) for _ in range(3)))
        assert len(set(paths)) == 1
        assert held(paths[0]) == "1"
        again = await Repositories(str(tmp_path / "elsewhere")).checkout(pinned)  # the mirror is gone with its disk
        assert held(again) == "1"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("url", "ref", "says"),
    [
        ("https://me:token@example.org/x", None, "holds a password or token"),
        ("https://token@example.org/x", None, "holds a password or token"),
        ("--upload-pack=x", None, "does not begin with a dash"),
        ("file:///nowhere/at/all", None, "cannot be fetched with your git"),
        ("file://{origin}", "nosuch", "has no branch, tag or commit nosuch"),
        ("file://{origin}", "0" * 40, "cannot be fetched with your git"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: pathlib.Path, commit: Callable[[str], str], url: str, ref: str | None, says: str
) -> None:
    commit("1")
    source = GitSource(url.format(origin=tmp_path / "origin"), ref)
    with pytest.raises(GitError, match=says) as caught:
        asyncio.run(Repositories(str(tmp_path / "data")).pin(source))
    assert "\n" not in str(caught.value)
