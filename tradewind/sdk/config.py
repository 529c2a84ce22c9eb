"""A person's limits, which the daemon keeps to, whoever asks: `tw.config.get`, `tw.config.set`, `tw.config.unset`.

They lie in `limits.yaml` in the data directory, and hold from the moment they are written.
"""

from __future__ import annotations

import os
from typing import Any, Literal, get_args

from tradewind.broker.jobs.limits import FILE_NAME, Limits, LimitsError, parse_limits
from tradewind.sdk.directory import data_dir
from tradewind.sdk.errors import BrokerError

Name = Literal["max_active_jobs", "max_hourly_cost", "budget"]


def path() -> str:
    """The file that holds them; it need not exist."""
    return os.path.join(data_dir(), FILE_NAME)


def get() -> Limits:
    """What holds now: `max_hourly_cost` in USD/hour for everything together and `budget` in USD for all managed jobs (None: no cap), `max_active_jobs`.

    Raises:
        LimitsError: the file cannot be understood.
    """
    return parse_limits(_text(), path())


def said() -> dict[str, Any]:
    """What the file itself says; everything else is a default. Raises LimitsError."""
    import yaml

    text = _text()
    parse_limits(text, path())
    return dict(yaml.safe_load(text) or {})


def set(name: Name, value: float) -> None:  # noqa: A001  the command's name
    """The limit holds from now on, for what is asked from then. The file is written anew, whole or not at all; its comments go.

    Raises:
        LimitsError: there is no such limit, the value is not above 0, or the file cannot be understood.
        BrokerError: the data directory cannot be written.
    """
    _change(name, value)


def unset(name: Name) -> None:
    """The limit is back at its default. Raises as `set`."""
    _change(name, None)


def _text() -> str:
    try:
        with open(path(), encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _change(name: str, value: float | None) -> None:
    import yaml

    from tradewind.broker.store.directory import prepare
    from tradewind.broker.store.errors import StoreError

    where = path()
    changed = {key: each for key, each in (said() | {name: value}).items() if each is not None}
    if name not in get_args(Name):
        raise LimitsError(f"there is no limit {name!r}; there are {', '.join(get_args(Name))}")
    text = yaml.safe_dump(changed, sort_keys=False) if changed else ""
    parse_limits(text, FILE_NAME)
    try:
        prepare(data_dir())
        with open(f"{where}.new", "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{where}.new", where)
    except StoreError as error:
        raise BrokerError(str(error)) from error
    except OSError as error:
        raise BrokerError(f"{where} cannot be written: {(error.strerror or str(error)).lower()}") from error


__all__ = ["get", "path", "said", "set", "unset"]
