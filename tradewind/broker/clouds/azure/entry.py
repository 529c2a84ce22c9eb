"""Azure in the registry: whether it can be used from here, and its provider with a person's settings."""

from __future__ import annotations

from tradewind.broker.clouds import libraries
from tradewind.broker.clouds.azure.provider import AzureProvider
from tradewind.broker.clouds.azure.session import LOGIN, Session, Settings, find
from tradewind.broker.clouds.connect import Connect

EXTRA = "azure"
_LIBRARIES = ("azure.mgmt.compute", "azure.mgmt.network", "azure.mgmt.resource", "azure.identity", "asyncssh")


def why_not(settings: Settings) -> str:
    """Why Azure cannot be used from here, in a few words; "" when it can. Calls nobody."""
    if why := libraries.why_not(_LIBRARIES, EXTRA):
        return why
    found = find()
    if not found.source:
        return f"no credentials here: {LOGIN}"
    if not (settings.subscription or found.subscription):
        return "no subscription is chosen: az account set --subscription ID"
    return ""


def make(settings: Settings, connect: Connect | None) -> AzureProvider:
    """The provider; nobody is called."""
    return AzureProvider(Session(settings), connect=connect)
