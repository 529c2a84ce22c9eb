"""Google Cloud in the registry: whether it can be used from here, and its provider with a person's settings."""

from __future__ import annotations

from tradewind.broker.clouds import libraries
from tradewind.broker.clouds.connect import Connect
from tradewind.broker.clouds.gcp.provider import GcpProvider
from tradewind.broker.clouds.gcp.session import LOGIN, Session, Settings, find

EXTRA = "gcp"
_LIBRARIES = ("google.cloud.compute_v1", "asyncssh")


def why_not(settings: Settings) -> str:
    """Why Google Cloud cannot be used from here, in a few words; "" when it can. Calls nobody."""
    if why := libraries.why_not(_LIBRARIES, EXTRA):
        return why
    found = find()
    if not found.file:
        return f"no credentials here: {LOGIN}"
    if not (settings.project or found.project):
        return "no project is chosen: gcloud config set project PROJECT_ID"
    return ""


def make(settings: Settings, connect: Connect | None) -> GcpProvider:
    """The provider; nobody is called."""
    return GcpProvider(Session(settings), connect=connect)
