"""This computer in the registry: always usable on Linux; what a person may set is how its instances are held apart."""

from __future__ import annotations

import os
import sys

import msgspec

from tradewind.broker.clouds.local.errors import refusal
from tradewind.broker.clouds.local.isolation import Wanted
from tradewind.broker.clouds.local.machine import this_machine
from tradewind.broker.clouds.local.machines import Yard, offer_of
from tradewind.broker.clouds.local.provider import LocalProvider
from tradewind.catalog.offer import Offer

INSTANCES = "instances"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person may set.

    `isolation`: "auto" (machines that `local up` makes are namespaces where that works, every other instance is processes of this computer),
    "namespaces" (every instance, rehearsed ones too, gets a machine of its own), or "processes" (never namespaces).
    """

    isolation: Wanted = "auto"


def why_not(_settings: Settings) -> str:
    """Why this computer carries no instances, in a few words; "" when it does."""
    return "" if sys.platform.startswith("linux") else f"local instances need Linux, and this is {sys.platform}"


def make(data_dir: str) -> LocalProvider:
    """The provider of a data directory. Its settings are read anew at each launch, which is refused when they cannot be read."""
    return LocalProvider(os.path.join(data_dir, INSTANCES), isolation=lambda: wanted_isolation(data_dir))


def wanted_isolation(data_dir: str) -> Wanted:
    """What the person set. Raises ProviderError when the settings cannot be read."""
    from tradewind.broker.clouds.registry import SettingsError, settings_of

    try:
        found: Settings = settings_of("local", data_dir)
    except SettingsError as error:
        raise refusal("bad-request", str(error)) from error
    return found.isolation


def offers_here(data_dir: str) -> list[Offer]:
    """What `infra: local` runs on: the machines that `local up` made, else this computer as it is."""
    shapes = {machine.shape: offer_of(machine) for machine in Yard(data_dir).standing()}
    return list(shapes.values()) or [this_machine()]
