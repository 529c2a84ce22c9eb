"""What `tradewind doctor` and `tw.doctor` look at: each check says in one sentence what is the case, or what is wrong and how to mend it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

MIN_FREE_GIB = 1.0


class Finding(NamedTuple):
    """One check's outcome."""

    what: str
    well: bool
    says: str


def _platform() -> str:
    version = platform.python_version()
    if not sys.platform.startswith("linux"):
        return f"Python {version} on {sys.platform}: planning and a one-node runtime work; instances here need Linux"
    return f"Python {version} on {platform.system()} {platform.release()}"


def _data_directory() -> str:
    from tradewind.broker.store.directory import prepare
    from tradewind.sdk.daemon import data_dir

    where = prepare(data_dir())
    free = shutil.disk_usage(where).free / (1 << 30)
    if free < MIN_FREE_GIB:
        raise OSError(f"{where} has {free:.2f} GiB free; records, logs and checkpoints need room")
    return f"{where}, {free:.0f} GiB free"


def _daemon() -> str:
    from tradewind.sdk.daemon import running

    client = running()
    if client is None:
        return "not running; it starts when it is needed"
    hello = client.hello()
    return f"version {hello['version']}, process {hello['pid']}"


def _catalog() -> str:
    from tradewind.catalog import open_catalog

    with open_catalog() as shelf:
        return f"{shelf.count():,} offers, newest price of {shelf.date}"


def _solver() -> str:
    from importlib.metadata import version

    import highspy  # noqa: F401  that it loads is what is asked
    import pulp  # noqa: F401

    return f"HiGHS {version('highspy')}, PuLP {version('pulp')}"


def _instances() -> str:
    import asyncio

    from tradewind.broker.clouds.local.provider import LocalProvider

    with tempfile.TemporaryDirectory(prefix="tradewind-doctor-") as directory:
        return asyncio.run(LocalProvider(os.path.join(directory, "instances")).check())


def _machines() -> str:
    from tradewind.broker.clouds.local.isolation import means

    return means().sentence()


CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("platform", _platform),
    ("data directory", _data_directory),
    ("daemon", _daemon),
    ("catalog", _catalog),
    ("solver", _solver),
    ("instances here", _instances),
    ("machines here", _machines),
)


def findings() -> list[Finding]:
    """Every check's outcome; a check that fails in any way is a finding, never an error."""
    found = []
    for what, check in CHECKS:
        try:
            found.append(Finding(what, True, check()))
        except Exception as error:  # whatever is wrong with this machine is what was asked for
            found.append(Finding(what, False, str(error) or type(error).__name__))
    return found
