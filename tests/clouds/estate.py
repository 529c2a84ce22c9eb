"""All three clouds at once, as a person's machine sees them: fakes with real machines behind them, credentials where each vendor's command leaves
them, a catalog with one offer of each, and a real daemon that finds all of that by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clouds.azure.world import AzureWorld, azure_world
from clouds.azure.world import offer as azure_offer
from clouds.fakes.aws.machines import MachineRoom
from clouds.fakes.aws.world import REGIONS, AwsWorld, fake_aws
from clouds.fakes.aws.world import offer as aws_offer
from clouds.fakes.room import Room
from clouds.fakes.wire import Wire
from clouds.gcp.world import GcpWorld, gcp_world
from clouds.gcp.world import offer as gcp_offer
from clouds.household import Household
from clouds.lab.namespaces import Host, Lab
from tests.broker.nursery import Nursery
from tradewind.catalog.offer import Offer

COLUMNS = (
    "cloud", "region", "zone", "instance_type", "arch", "vcpus", "memory_gib", "accelerator", "accelerator_count",
    "accelerator_memory_gib", "price_ondemand_usd_h", "price_spot_usd_h",
)  # fmt: skip
OFFERS = (
    aws_offer(price_spot_usd_h=0.03),
    gcp_offer(price_spot_usd_h=0.04),
    azure_offer(price_spot_usd_h=0.05),
)


class Estate(Household):
    """The clouds, and the daemons of one data directory."""

    def __init__(
        self, directory: pathlib.Path, aws: AwsWorld, gcp: GcpWorld, azure: AzureWorld, nursery: Nursery | None = None
    ) -> None:
        super().__init__(directory, nursery)
        self.aws, self.gcp, self.azure = aws, gcp, azure
        self.rooms: dict[str, MachineRoom | Room] = {}
        self.catalog = str(directory / "offers.csv")

    def write_catalog(self, offers: tuple[Offer, ...] = OFFERS) -> None:
        """The person's own catalog, in place of the world's."""
        rows = [",".join(COLUMNS)]
        for offer in offers:
            cells = (getattr(offer, name) for name in COLUMNS)
            rows.append(",".join("" if cell is None else str(cell) for cell in cells))
        pathlib.Path(self.catalog).write_text("\n".join(rows) + "\n")

    def environment(self) -> dict[str, str]:
        """What a person who has logged in everywhere has."""
        home = self.directory / "home"
        return {
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": "AKIATESTING",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            # whatever is no fake is asked through nobody: Google's library looks for a service account's regional boundary at the real Google
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
            "GOOGLE_APPLICATION_CREDENTIALS": str(home / "google.json"),
            "AZURE_CONFIG_DIR": str(home / ".azure"),
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        }

    def machine(self, cloud: str) -> Host:
        """The living machine of that cloud."""
        alive = [host for host in self.rooms[cloud].machines.values() if host.alive()]
        assert alive, f"no machine of {cloud} is alive"
        return alive[0]

    def take(self, cloud: str) -> None:
        """Power is cut, and the cloud says that it has taken every instance back."""
        machine = self.machine(cloud)
        machine.cut_cable()  # it dies once the cloud has said why: else it would be one that shut itself down
        if cloud == "aws":
            from clouds.fakes.aws import rules

            for region in REGIONS:
                for instance in rules.all_instances(region):
                    if instance._state.name == "running":
                        self.aws.shim.end(
                            region, instance.id, "Server.SpotInstanceTermination", "Spot instance termination"
                        )
        elif cloud == "gcp":
            for name in self.gcp.cloud.compute.live():
                self.gcp.cloud.compute.reclaim(name)
        else:
            for name in self.azure.cloud.arm.machines():
                self.azure.cloud.arm.evict(name)
        machine.kill()

    def held(self) -> list[str]:
        """All that costs or lies around anywhere."""
        return [*self.aws.held(), *self.gcp.held(), *self.azure.held()]

    def bought(self) -> list[str]:
        """Every instance that any of them ever sold."""
        return [*self.aws.bought(), *self.gcp.bought(), *self.azure.bought()]

    def tags(self) -> list[dict[str, str]]:
        """The tags of every instance that is not ended, as its cloud has them."""
        return [*self.aws.tags(), *self.gcp.tags(), *self.azure.tags()]

    def live(self) -> int:
        return self.aws.live() + self.gcp.live() + self.azure.live()


def _log_in(estate: Estate, tokens: str) -> None:
    home = estate.directory / "home"
    (home / "bin").mkdir(parents=True)
    (home / ".azure").mkdir()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account: dict[str, Any] = {
        "type": "service_account",
        "project_id": "demo-project",
        "private_key_id": "k1",
        "private_key": key.decode(),
        "client_email": "ada@demo-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{tokens}/token",
    }
    (home / "google.json").write_text(json.dumps(account))
    subscription = {"id": estate.azure.cloud.arm.subscription, "isDefault": True, "name": "demo", "state": "Enabled"}
    (home / ".azure" / "azureProfile.json").write_text(json.dumps({"subscriptions": [subscription]}))
    az = home / "bin" / "az"
    token = {
        "accessToken": "token",
        "expiresOn": "2033-01-01 00:00:00.000000",
        "expires_on": 1988150400,
        "tokenType": "Bearer",
    }
    az.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(token)}\nEND\n")
    az.chmod(az.stat().st_mode | stat.S_IXUSR)
    pathlib.Path(estate.data_dir).mkdir(mode=0o700)
    settings = {
        "aws": {"endpoint_url": estate.aws.endpoint, "regions": list(REGIONS), "poll_interval_s": 0.05},
        "gcp": {
            "compute_endpoint": estate.gcp.cloud.url,
            "tpu_endpoint": estate.gcp.cloud.url,
            "projects_endpoint": estate.gcp.cloud.url,
            "poll_interval_s": 0.02,
            "retry_first_s": 0.02,
        },
        "azure": {
            "endpoint": estate.azure.cloud.url,
            "authority": estate.azure.cloud.authority,
            "poll_interval_s": 0.02,
            "retry_first_s": 0.02,
        },
    }
    pathlib.Path(estate.data_dir, "clouds.yaml").write_text(json.dumps(settings))  # JSON is YAML


@contextlib.contextmanager
def open_estate(directory: pathlib.Path, lab: Lab | None, nursery: Nursery | None = None) -> Iterator[Estate]:
    """Three accounts; with a lab every instance has a machine. Afterwards nothing may be held anywhere."""
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(fake_aws())
        gcp = stack.enter_context(gcp_world())
        tokens = Wire(gcp.cloud.token)
        stack.callback(tokens.close)
        azure = stack.enter_context(azure_world())
        estate = Estate(directory, aws, gcp, azure, nursery)
        if lab is not None:
            estate.rooms = {
                "aws": stack.enter_context(MachineRoom(lab, aws)),
                "gcp": stack.enter_context(Room(lab, gcp.cloud.compute)),
                "azure": stack.enter_context(Room(lab, azure.cloud.arm)),
            }
        _log_in(estate, tokens.url)
        estate.write_catalog()
        try:
            yield estate
        finally:
            estate.daemon.end()
        assert estate.held() == [], f"left behind: {estate.held()}"
