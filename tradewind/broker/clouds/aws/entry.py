"""AWS in the registry: whether it can be used from here, and its provider with a person's settings. boto3 is imported on the first call only."""

from __future__ import annotations

import os

import msgspec

from tradewind.broker.clouds import libraries
from tradewind.broker.clouds.aws.provider import AwsProvider
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.clouds.connect import Connect

EXTRA = "aws"
_LIBRARIES = ("boto3", "asyncssh")  # many a machine has the first already, without what logs in to instances
LOGIN = "aws configure"
_VENDOR = (
    "/sys/devices/virtual/dmi/id/sys_vendor"  # EC2 instances may have a role, which only their metadata service knows
)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person may set. `regions` limits AWS to some, `vpcs` names the VPC of a region; `endpoint_url` is for compatible services.

    A machine that has not let us in by SSH after `boot_deadline_s` seconds is given up.
    """

    profile: str | None = None
    regions: tuple[str, ...] = ()
    vpcs: dict[str, str] = {}
    endpoint_url: str | None = None
    poll_interval_s: float = 1.5
    boot_deadline_s: float = 300.0


def why_not(settings: Settings) -> str:
    """Why AWS cannot be used from here, in a few words; "" when it can. Calls nobody but, on an EC2 instance, its metadata service."""
    if why := libraries.why_not(_LIBRARIES, EXTRA):
        return why
    if not _may_have_credentials() or not AwsSession(profile=settings.profile).has_credentials():
        return f"no credentials here: {LOGIN}"
    return ""


def make(settings: Settings, connect: Connect | None) -> AwsProvider:
    """The provider; nobody is called."""
    session = AwsSession(profile=settings.profile, endpoint_url=settings.endpoint_url)
    return AwsProvider(
        session, connect=connect, regions=settings.regions, vpcs=settings.vpcs, pause_s=settings.poll_interval_s
    )


def _may_have_credentials() -> bool:
    """Whether there is anything to look at; the library's own search asks the metadata service of machines that have none."""
    if any(name.startswith("AWS_") for name in os.environ):
        return True
    if os.path.isdir(os.path.expanduser("~/.aws")):
        return True
    try:
        with open(_VENDOR, encoding="utf-8") as file:
            return "Amazon" in file.read()
    except OSError:
        return False
