"""What a submission says besides its task: secrets from here, when to start, the members of an array."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

import click

from tradewind.cli import dotenv

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
MAX_SECRET_BYTES = 1 << 20
_KEYRING = "keyring:"


def secret_values(texts: Iterable[str], files: Iterable[str] = (), words: Sequence[str] = ()) -> dict[str, str]:
    """The secrets that the task file (the one of `words`, if it is one) writes down, and over them those that flags name: NAME from the environment or a prompt, NAME=@FILE from a file, NAME=@keyring:SERVICE[/USER] from the
    system's keyring (USER is NAME if not given), and all that `files` hold.

    A value itself is refused: others can read it in `ps`.

    Raises:
        click.BadParameter: one is not there.
    """
    found = _written(words)
    for path in files:
        found |= dotenv.read(path, "--secret-file")
    for text in texts:
        name, equals, source = text.partition("=")
        if equals and not source.startswith("@"):
            raise click.BadParameter(
                f"{name}: a value on the command line can be read by others; export {name} and write --secret {name}, or {name}=@FILE.",
                param_hint="--secret",
            )
        found[name] = _from_file(name, source[1:]) if equals else _from_environment(name)
    return found


def _written(words: Sequence[str]) -> dict[str, str]:
    from tradewind.cli.overrides import is_file

    if len(words) != 1 or not is_file(words[0]) or not os.path.isfile(words[0]):
        return {}
    from tradewind.spec import load_secrets

    return load_secrets(words[0])


def with_environment(names: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Every secret that the task names: as given, else from the environment or a prompt. Raises click.BadParameter where it is not there."""
    return {name: given[name] if name in given else _from_environment(name) for name in names}


def _from_environment(name: str) -> str:
    if name not in os.environ:
        if sys.stdin.isatty():
            return str(click.prompt(f"{name} (not shown)", hide_input=True, err=True))
        raise click.BadParameter(f"{name} is not set here; export it, or write {name}=@FILE.", param_hint="--secret")
    return os.environ[name]


def _from_keyring(name: str, place: str) -> str:
    service, _, user = place.partition("/")
    try:
        import keyring
    except ImportError as error:
        raise click.BadParameter(
            f"{name}: the keyring's library is not installed: pip install 'tradewind[keyring]'.", param_hint="--secret"
        ) from error
    try:
        found = keyring.get_password(service, user or name)
    except Exception as error:  # every backend has errors of its own
        raise click.BadParameter(f"{name}: the keyring does not answer: {error}", param_hint="--secret") from error
    if found is None:
        raise click.BadParameter(
            f"{name}: the keyring has no {service}/{user or name}; `keyring set {service} {user or name}` puts it there.",
            param_hint="--secret",
        )
    return str(found)


def _from_file(name: str, path: str) -> str:
    if path.startswith(_KEYRING):
        return _from_keyring(name, path.removeprefix(_KEYRING))
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise click.BadParameter(f"{name}: {path}: {error.strerror}.", param_hint="--secret") from error
    if len(data) > MAX_SECRET_BYTES:
        raise click.BadParameter(f"{name}: {path} is larger than 1 MiB.", param_hint="--secret")
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{name}: {path} is not UTF-8 text.", param_hint="--secret") from error


def moment(text: str, now: float) -> float:
    """The Unix second that `30m`, `2h`, `1d` from `now`, or an ISO time (local unless it says otherwise), means.

    Raises:
        click.BadParameter: it is neither.
    """
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        return now + float(span[1]) * _UNITS[span[2]]
    import datetime as dt

    try:
        return dt.datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is no moment; write 30m, 2h, 1d or 2026-01-31T18:00.", param_hint="--after"
        ) from error


def members(axes: Sequence[str]) -> tuple[dict[str, str], ...]:
    """Every combination of the axes; one empty map when there are none. Raises SpecError."""
    if not axes:
        return ({},)
    from tradewind.spec.axes import read_axes

    return read_axes(axes)
