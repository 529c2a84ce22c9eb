"""Every cloud there is a provider for, which of them can be used from here, and their providers, each made when it is first needed.

Looking whether a cloud can be used reads files and the environment, and imports nothing of the vendor's. `<data_dir>/clouds.yaml` holds what a
person set: one mapping a cloud, with the fields of that cloud's `Settings`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tradewind.broker.clouds.meaning import Explanation
from tradewind.broker.provider import Provider
from tradewind.catalog.offer import Offer

NAMES = ("aws", "azure", "gcp", "ssh")
LOCAL = "local"
SETTINGS_FILE = "clouds.yaml"
LOOK_AGAIN_S = 20.0
NO_AGAIN_S = 1.0  # a person who has just logged in, or installed what was missing, tries again at once


class SettingsError(ValueError):
    """The settings of the clouds cannot be read; one sentence that names the file and the field."""


def entry(name: str) -> Any:
    """The module that speaks for the cloud: `Settings`, `why_not`, `make`. Raises LookupError for an unknown cloud."""
    if name not in {*NAMES, LOCAL}:
        raise LookupError(f"there is no cloud called {name!r}; known are {', '.join(NAMES)}")
    return importlib.import_module(f"tradewind.broker.clouds.{name}.entry")


def read_settings(data_dir: str) -> dict[str, dict[str, Any]]:
    """What the person set for each cloud; {} without a file. Raises SettingsError."""
    path = os.path.join(data_dir, SETTINGS_FILE)
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    try:
        found = msgspec.yaml.decode(text, type=dict[str, dict[str, Any]] | None) or {}
    except msgspec.DecodeError as error:
        raise SettingsError(f"{path}: {error}") from error
    unknown = sorted(found.keys() - {*NAMES, LOCAL})
    if unknown:
        raise SettingsError(f"{path}: there is no cloud called {unknown[0]!r}; known are {', '.join((*NAMES, LOCAL))}")
    return found


def settings_of(name: str, data_dir: str) -> Any:
    """The cloud's settings. Raises SettingsError."""
    given = read_settings(data_dir).get(name, {})
    try:
        return msgspec.convert(given, entry(name).Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{os.path.join(data_dir, SETTINGS_FILE)}: {name}: {error}") from error


def why_not(name: str, data_dir: str) -> str:
    """Why the cloud cannot be used from here, in a few words; "" when it can. May block for a moment; calls nobody."""
    try:
        found = settings_of(name, data_dir)
        return str(entry(name).why_not(found, data_dir) if name == "ssh" else entry(name).why_not(found))
    except ModuleNotFoundError:
        return "this version has no provider for it"
    except SettingsError as error:
        return str(error)


def explanations(code: str) -> dict[str, Explanation]:
    """What the error code means, by cloud; {} when no table knows it."""
    tables = {name: importlib.import_module(f"tradewind.broker.clouds.{name}.errors").TABLE for name in NAMES}
    return {name: known for name, table in tables.items() if (known := table.find(code)) is not None}


class Clouds(Mapping[str, Provider]):
    """The providers of one data directory by name. Iterating yields those made so far; any known cloud's is made when it is asked for.

    A cloud whose credentials are gone still has its provider: what the record says was bought there has to be ended there.
    """

    def __init__(
        self,
        data_dir: str,
        made: Mapping[str, Provider],
        *,
        make: Callable[[str, str], Provider] | None = None,
        guard: Callable[[], None] | None = None,
    ) -> None:
        """`guard` is called before each call to a vendor, and what it raises keeps the call from being made."""
        self._guard = guard
        self._data_dir = data_dir
        self._made = dict(made)
        self._make = make or _made_by_entry
        self._seen: dict[str, tuple[float, str]] = {}  # until when it is taken for true

    def __getitem__(self, name: str) -> Provider:
        if name not in self._made:
            if name not in NAMES:
                raise KeyError(name)
            provider: Any = self._make(name, self._data_dir)
            if self._guard is not None and hasattr(provider, "guard"):
                provider.guard(self._guard)
            self._made[name] = provider
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._made))

    def __len__(self) -> int:
        return len(self._made)

    def __contains__(self, name: object) -> bool:
        return name in self._made or name in NAMES

    def reasons(self) -> dict[str, str]:
        """For every cloud why it cannot be used from here, "" for those that can; looked at again after a while. May block for a moment."""
        return {name: self._reason(name) for name in NAMES}

    def _reason(self, name: str) -> str:
        until, why = self._seen.get(name, (0.0, ""))
        if time.monotonic() >= until:
            why = why_not(name, self._data_dir)
            self._seen[name] = time.monotonic() + (NO_AGAIN_S if why else LOOK_AGAIN_S), why
        return why

    async def usable(self) -> list[str]:
        """The clouds that can be used from here."""
        reasons = await asyncio.to_thread(self.reasons)
        return [name for name, why in reasons.items() if not why]

    async def own_machines(self) -> list[Offer]:
        """What the machines that one owns offer; [] where there is no list of them. Raises ProviderError."""
        if (await asyncio.to_thread(self.reasons)).get("ssh", "missing"):
            return []
        provider: Any = self["ssh"]
        found: list[Offer] = await provider.offers()
        return found

    def close(self) -> None:
        """Their connections and threads are gone."""
        for provider in self._made.values():
            if hasattr(provider, "close"):
                provider.close()


def _made_by_entry(name: str, data_dir: str) -> Provider:
    from tradewind.broker.provision.remote_environment import EnvironmentMaker
    from tradewind.broker.provision.ssh_keys import KeyRing
    from tradewind.broker.provision.ssh_transport import SshConnector

    prepare: Any = EnvironmentMaker(os.path.join(data_dir, "cache"))
    settings = settings_of(name, data_dir)
    made: Provider
    if name == "ssh":
        made = entry(name).make(settings, data_dir, prepare)
    else:
        connector = SshConnector(KeyRing(data_dir), cloud=name, prepare=prepare, deadline_s=settings.boot_deadline_s)
        made = entry(name).make(settings, connector)
    return made
