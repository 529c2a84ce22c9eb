"""Azure credentials, found where the az command leaves them, and the vendor's clients, imported when first used.

Order: a service principal in AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET (or AZURE_CLIENT_CERTIFICATE_PATH); `az login`.
Subscription: AZURE_SUBSCRIPTION_ID, then the default one of `az account`. Looking for them starts no program and calls nobody.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from typing import Any

import msgspec

from tradewind.broker.clouds.azure.errors import TABLE, refusal
from tradewind.broker.clouds.azure.models import make_ready
from tradewind.broker.clouds.vendor_session import VendorCalls, VendorSession
from tradewind.broker.provider import ProviderError

LOGIN = "az login"
INSTALL = "pip install 'tradewind[azure]'"
READ_RETRIES = 5


class Found(msgspec.Struct, frozen=True):
    """Where credentials come from ("environment", "az" or ""), and the subscription to work in."""

    source: str = ""
    subscription: str = ""


class Settings(msgspec.Struct, frozen=True):
    """What a person may set. `self_deletion` gives each machine an identity that may delete its own cluster's resource group.

    `endpoint` and `authority` are for tests and sovereign clouds: the address of Azure Resource Manager, and the certificate to trust there.
    A machine that has not let us in by SSH after `boot_deadline_s` seconds is given up.
    """

    subscription: str = ""
    self_deletion: bool = True
    endpoint: str = ""
    authority: str = ""
    poll_interval_s: float = 2.0
    retry_first_s: float = 0.8
    boot_deadline_s: float = 300.0


def find() -> Found:
    """The credentials and subscription on this machine; empty fields for what is not there."""
    source, subscription = "", os.environ.get("AZURE_SUBSCRIPTION_ID", "")
    secret = os.environ.get("AZURE_CLIENT_SECRET") or os.environ.get("AZURE_CLIENT_CERTIFICATE_PATH")
    if os.environ.get("AZURE_CLIENT_ID") and os.environ.get("AZURE_TENANT_ID") and secret:
        source = "environment"
    default = _default_subscription()
    if not source and default and shutil.which("az"):
        source = "az"
    return Found(source, subscription or default)


def _default_subscription() -> str:
    """The default subscription of the az command's profile; "" if nobody is logged in."""
    directory = os.environ.get("AZURE_CONFIG_DIR") or os.path.join(os.path.expanduser("~"), ".azure")
    try:
        with open(
            os.path.join(directory, "azureProfile.json"), encoding="utf-8-sig"
        ) as file:  # az writes a byte order mark
            entries = json.load(file).get("subscriptions", [])
        return next((str(entry["id"]) for entry in entries if entry.get("isDefault")), "")
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return ""


def load_credentials(found: Found) -> Any:
    """Azure's credential object. Raises ProviderError where there is none."""
    try:
        from azure import identity
    except ImportError as error:
        raise refusal("NO_LIBRARY", f"Azure's libraries are not installed; run: {INSTALL}") from error
    if found.source == "environment":
        return identity.EnvironmentCredential()
    if found.source == "az":
        return identity.AzureCliCredential()
    raise refusal("NO_CREDENTIALS", f"no Azure credentials were found on this machine; run: {LOGIN}")


def _translate(error: Exception) -> ProviderError | None:
    if isinstance(error, ImportError):
        return refusal("NO_LIBRARY", f"Azure's libraries are not installed; run: {INSTALL}")
    from tradewind.broker.clouds.azure.translate import translate

    return translate(error)


class Session(VendorSession[Settings, Found]):
    """One identity on one subscription. `call` runs the vendor's blocking code in threads and translates what it raises."""

    def __init__(
        self, settings: Settings | None = None, *, credentials: Any = None, found: Found | None = None
    ) -> None:
        super().__init__(
            VendorCalls("azure", _translate, table=TABLE),
            settings or Settings(),
            credentials=credentials,
            found=found,
        )

    def _find(self) -> Found:
        return find()

    def _load(self, found: Found) -> Any:
        return load_credentials(found)

    @property
    def subscription(self) -> str:
        """The subscription to work in. Raises ProviderError when none is named anywhere."""
        subscription = self.settings.subscription or self.found.subscription
        if not subscription:
            raise refusal("NO_SUBSCRIPTION", "no Azure subscription is chosen; run: az account set --subscription ID")
        return subscription

    @property
    def endpoint(self) -> str:
        """The address of Azure Resource Manager."""
        return self.settings.endpoint or "https://management.azure.com"

    def scope(self, group: str = "") -> str:
        """The id of the subscription, or of a resource group in it."""
        return f"/subscriptions/{self.subscription}" + (f"/resourceGroups/{group}" if group else "")

    def compute(self) -> Any:
        """azure.mgmt.compute.ComputeManagementClient."""

        def make(**options: Any) -> Any:
            from azure.mgmt.compute import ComputeManagementClient

            make_ready("azure.mgmt.compute", "VirtualMachine", "VirtualMachineExtension", "ResourceSku", "Usage")
            return ComputeManagementClient(self.credentials(), self.subscription, **options)

        return self._client("compute", make)

    def network(self) -> Any:
        """azure.mgmt.network.NetworkManagementClient."""

        def make(**options: Any) -> Any:
            from azure.mgmt.network import NetworkManagementClient

            make_ready(
                "azure.mgmt.network", "NetworkInterface", "PublicIPAddress", "NetworkSecurityGroup", "VirtualNetwork"
            )
            return NetworkManagementClient(self.credentials(), self.subscription, **options)

        return self._client("network", make)

    def resources(self) -> Any:
        """azure.mgmt.resource.resources.ResourceManagementClient."""

        def make(**options: Any) -> Any:
            from azure.mgmt.resource.resources import ResourceManagementClient

            make_ready("azure.mgmt.resource.resources", "ResourceGroup")
            return ResourceManagementClient(self.credentials(), self.subscription, **options)

        return self._client("resources", make)

    def access(self) -> Any:
        """azure.mgmt.authorization.AuthorizationManagementClient."""

        def make(**options: Any) -> Any:
            from azure.mgmt.authorization import AuthorizationManagementClient

            return AuthorizationManagementClient(
                self.credentials(), self.subscription, api_version="2022-04-01", **options
            )

        return self._client("access", make)

    def _client(self, name: str, make: Callable[..., Any]) -> Any:
        return self._calls.client(name, lambda: make(**self._options()))

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "retry_total": READ_RETRIES,
            "retry_backoff_factor": self.settings.retry_first_s,
            "retry_backoff_max": 8,
            "connection_timeout": 10,
            "read_timeout": 60,
        }
        if self.settings.endpoint:
            options |= {
                "base_url": self.settings.endpoint,
                "credential_scopes": [f"{self.settings.endpoint}/.default"],
            }
        if self.settings.authority:
            options["connection_verify"] = self.settings.authority
        return options
