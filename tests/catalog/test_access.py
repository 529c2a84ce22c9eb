from __future__ import annotations

import pytest

from tradewind.catalog.access import is_burstable, is_restricted


@pytest.mark.parametrize(
    ("cloud", "instance_type", "burstable"),
    [
        ("aws", "t3.micro", True),
        ("aws", "t4g.nano", True),
        ("aws", "trn1.2xlarge", False),
        ("aws", "m5.large", False),
        ("gcp", "e2-micro", True),
        ("gcp", "e2-standard-2", False),
        ("gcp", "t2d-standard-1", False),
        ("azure", "Standard_B2s", True),
        ("azure", "Standard_A1_v2", True),
        ("azure", "Basic_A0", True),
        ("azure", "Standard_D2s_v5", False),
        ("azure", "Standard_ND96asr_A100_v4", False),
        ("lambda", "t1", False),
    ],
)
def test_burstable(cloud: str, instance_type: str, burstable: bool) -> None:
    assert is_burstable(cloud, instance_type) is burstable


@pytest.mark.parametrize(
    ("cloud", "region", "restricted"),
    [
        ("aws", "us-gov-west-1", True),
        ("aws", "cn-north-1", True),
        ("aws", "us-west-1", False),
        ("azure", "jioindiawest", True),
        ("azure", "southindia", False),
        ("gcp", "jioindiawest", False),
    ],
)
def test_restricted(cloud: str, region: str, restricted: bool) -> None:
    assert is_restricted(cloud, region) is restricted
