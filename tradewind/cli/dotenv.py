"""Files of variables: a NAME=VALUE a line, as `--env-file` and `--secret-file` take them."""

from __future__ import annotations

import os
import re

import click

MAX_BYTES = 1 << 20
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_QUOTED = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")\s*(?:#.*)?""")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read(path: str, option: str) -> dict[str, str]:
    """The file's variables, in its order; blank lines and those that begin with # say nothing.

    Raises:
        click.BadParameter: it cannot be read, or a line is none of this; the line's number is told, its text is not: it may be a secret.
    """
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise click.BadParameter(f"{path}: {(error.strerror or str(error)).lower()}.", param_hint=option) from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{path} is not UTF-8 text.", param_hint=option) from error
    if len(data) > MAX_BYTES:
        raise click.BadParameter(f"{path} is larger than 1 MiB.", param_hint=option)
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise click.BadParameter(f"{path}:{number} is no NAME=VALUE.", param_hint=option)
        found[match[1]] = _value(match[2])
    return found


def _value(text: str) -> str:
    """Within quotes as it stands (double ones know backslashes), else up to a comment."""
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        return re.split(r"\s#", text, maxsplit=1)[0].rstrip()
    if quoted[1] is not None:
        return quoted[1]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), quoted[2])
