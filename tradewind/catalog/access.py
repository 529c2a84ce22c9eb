"""Which offers are not for everyone: regions on request, and machines that cannot give their vCPUs all the time. Lists: data/facts/SOURCES.md."""

from __future__ import annotations

import re

_AZURE_ON_REQUEST = frozenset(
    {
        "australiacentral2", "brazilsoutheast", "francesouth", "germanynorth", "jioindiacentral", "jioindiawest", "norwaywest",
        "southafricawest", "switzerlandwest", "uaecentral",
    }
)  # fmt: skip
_AWS_BURSTABLE = re.compile(r"t\d")  # t2, t3, t3a, t4g; not trn1, which is Trainium
_GCP_BURSTABLE = frozenset({"f1-micro", "g1-small", "e2-micro", "e2-small", "e2-medium"})
_AZURE_BURSTABLE = ("Standard_B", "Standard_A", "Basic_A")


def is_restricted(cloud: str, region: str) -> bool:
    """True where an ordinary account cannot launch: government and mainland-China partitions, Azure's access-on-request regions."""
    if cloud == "aws":
        return region.startswith(("us-gov-", "cn-"))
    return cloud == "azure" and region in _AZURE_ON_REQUEST


def is_burstable(cloud: str, instance_type: str) -> bool:
    """True for shared-core and credit-based types, whose vCPUs are slower than they look under steady load."""
    if cloud == "aws":
        return _AWS_BURSTABLE.match(instance_type) is not None
    if cloud == "gcp":
        return instance_type in _GCP_BURSTABLE
    return cloud == "azure" and instance_type.startswith(_AZURE_BURSTABLE)
