"""AWS: EC2 instances through boto3, reached over SSH. boto3 and asyncssh are imported on the first call, not before."""

from __future__ import annotations

import os

from tradewind.broker.clouds.aws.provider import AwsProvider

__all__ = ["AwsProvider", "make"]


def make(data_dir: str) -> AwsProvider:
    """A provider of the person's own account, which logs in to its instances with the keys of this data directory."""
    from tradewind.broker.clouds.aws.errors import CLOUD
    from tradewind.broker.provision.remote_environment import EnvironmentMaker
    from tradewind.broker.provision.ssh_keys import KeyRing
    from tradewind.broker.provision.ssh_transport import SshConnector

    keys = KeyRing(data_dir)
    prepare = EnvironmentMaker(os.path.join(data_dir, "wheels"))
    return AwsProvider(connect=SshConnector(keys, cloud=CLOUD, prepare=prepare), keys=keys)
