"""Which files of a work directory stay behind, held against git itself."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tradewind.broker.provision.ignore_files import leaving_out

FILES = (
    "a.py", "a.log", "keep.log", "deep/b.log", "deep/keep.log", "build/x.o", "deep/build/y.o", "docs/build", "data/1.bin", "data/2.bin",
    "src/data/3.bin", "a b.txt", "#hash", "doc/readme.txt", "doc/deep/readme.txt", "x1.c", "x2.c", "xa.c", "own/z.tmp", "own/kept.tmp",
)  # fmt: skip
RULES = (
    "# a comment\n*.log\n!keep.log\nbuild/\n/data/*\n!/data/2.bin\n\\#hash\ndoc/**/readme.txt\nx[0-9].c\na b.txt  \n"
)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    for name in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def copied(root):
    leave = leaving_out(str(root))
    found = set()
    for directory, folders, names in os.walk(root):
        below = os.path.relpath(directory, root)
        at = "" if below == "." else below + "/"
        folders[:] = [f for f in folders if f != ".git" and not (leave and leave(at + f, True))]
        found |= {at + n for n in names if not (leave and leave(at + n, False))}
    return found


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_as_git_sees_it(tree):
    (tree / ".gitignore").write_text(RULES)
    (tree / "own" / ".gitignore").write_text("*.tmp\n!kept.tmp\n")
    run = ["git", "-c", "core.excludesFile=", "-C", str(tree)]
    subprocess.run([*run, "init", "-q"], check=True)
    (tree / ".git" / "info" / "exclude").write_text("xa.c\n")
    listed = subprocess.run(
        [*run, "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, check=True
    ).stdout
    assert copied(tree) == set(listed.decode().strip("\0").split("\0"))


def test_a_skyignore_counts_alone(tree):
    (tree / ".gitignore").write_text("*\n")
    (tree / ".skyignore").write_text("*.log\n/data\n")
    left = copied(tree)
    assert "a.py" in left
    assert "src/data/3.bin" in left
    assert not {"a.log", "deep/keep.log", "data/1.bin"} & left


def test_without_ignore_files_everything_is_copied(tree):
    assert copied(tree) == set(FILES)
