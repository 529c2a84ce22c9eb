"""What of a work directory is not copied: what its ignore files name, in the rules of gitignore(5).

As SkyPilot does: a `.skyignore` in the work directory counts alone; without one, `.gitignore` of every directory and `.git/info/exclude` count.
A later rule beats an earlier one, a deeper file beats a higher one, `!` takes back; below an ignored directory nothing is looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import msgspec

SKYIGNORE, GITIGNORE = ".skyignore", ".gitignore"
EXCLUDE = os.path.join(".git", "info", "exclude")


class Rule(msgspec.Struct, frozen=True):
    """One line of an ignore file: what it matches relative to the file's directory, and what it says of that."""

    pattern: re.Pattern[str]
    ignores: bool
    only_directories: bool


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of an ignore file, in its order; comments and lines that are no pattern are left out. Pure."""
    return tuple(_rules(text))


def _rules(text: str) -> Iterator[Rule]:
    for raw in text.splitlines():
        line = re.sub(r"(?<!\\)\s+$", "", raw)
        if not line or line.startswith("#"):
            continue
        ignores = not line.startswith("!")
        line = line.removeprefix("!").removeprefix("\\")
        only_directories = line.endswith("/")
        line = line.rstrip("/")
        if not line:
            continue
        anchored = "/" in line
        try:
            pattern = re.compile(("" if anchored else "(?:.*/)?") + _as_regex(line.removeprefix("/")) + r"\Z")
        except re.error:
            continue
        yield Rule(pattern, ignores, only_directories)


def _as_regex(glob: str) -> str:
    out, at = "", 0
    while at < len(glob):
        if glob.startswith("**/", at) and (at == 0 or glob[at - 1] == "/"):
            out, at = out + "(?:.*/)?", at + 3
        elif glob.startswith("**", at):
            out, at = out + ".*", at + 2
        elif glob[at] == "*":
            out, at = out + "[^/]*", at + 1
        elif glob[at] == "?":
            out, at = out + "[^/]", at + 1
        elif glob[at] == "[" and (end := glob.find("]", at + 2)) > 0:
            inside = glob[at + 1 : end].replace("\\", "\\\\")
            out, at = out + "[" + ("^" + inside[1:] if inside.startswith("!") else inside) + "]", end + 1
        elif glob[at] == "\\" and at + 1 < len(glob):
            out, at = out + re.escape(glob[at + 1]), at + 2
        else:
            out, at = out + re.escape(glob[at]), at + 1
    return out


def leaving_out(root: str) -> Callable[[str, bool], bool] | None:
    """Says of a relative path, and whether it is a directory, whether it stays behind; None when no ignore file is there. Blocks.

    Paths are to be asked from the top down: what lies below an ignored directory is not recognised by itself.
    """
    sky = _read(os.path.join(root, SKYIGNORE))
    if sky is not None:
        own = parse_rules(sky)
        return lambda path, is_directory: _judged(own, path, is_directory) is True
    exclude = parse_rules(_read(os.path.join(root, EXCLUDE)) or "")
    known: dict[str, tuple[Rule, ...]] = {}

    def rules_in(directory: str) -> tuple[Rule, ...]:
        if directory not in known:
            known[directory] = parse_rules(_read(os.path.join(root, directory, GITIGNORE)) or "")
        return known[directory]

    def stays(path: str, is_directory: bool) -> bool:
        parts = path.split("/")
        for depth in range(len(parts) - 1, -1, -1):  # the deepest file that says anything of it decides
            told = _judged(rules_in("/".join(parts[:depth])), "/".join(parts[depth:]), is_directory)
            if told is not None:
                return told
        return _judged(exclude, path, is_directory) is True

    return stays


def _judged(rules: tuple[Rule, ...], path: str, is_directory: bool) -> bool | None:
    """What the last rule that matches says; None when none does."""
    for rule in reversed(rules):
        if (is_directory or not rule.only_directories) and rule.pattern.match(path):
            return rule.ignores
    return None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None
