from __future__ import annotations

import pytest

from tradewind.catalog.corrections import correct_accelerator, correct_region, correct_zones


@pytest.mark.parametrize(
    ("row", "right"),
    [
        (("vast", "8x-H200-32-65536", "H200", 8.0, 1123.2), ("H200", 8.0, 140.4)),
        (("vast", "2x-A100_SXM4-32-65536", "A100", 2.0, 160.0), ("A100-80GB", 2.0, 80.0)),
        (("vast", "2x-A100_SXM4-32-65536", "A100", 2.0, 80.0), ("A100", 2.0, 40.0)),
        (("vast", "4x-RTX_4070S_Ti-32-65536", "RTX4070", 4.0, 64.0), ("RTX4070S-Ti", 4.0, 16.0)),
        (("vast", "4x-RTX_A6000-32-65536", "RTXA6000", 4.0, 192.0), ("A6000", 4.0, 48.0)),
        (("aws", "g6f.2xlarge", "L4", 0.0, 6.0), ("L4", 0.25, 24.0)),
        (("azure", "Standard_NC96ads", "A100-80GB", 4.0, 80.0), ("A100-80GB", 4.0, 80.0)),
        (("gcp", "n2-standard-2", "", 0.0, None), ("", 0.0, None)),
    ],
)
def test_accelerators(row: tuple[str, str, str, float, float | None], right: tuple[str, float, float | None]) -> None:
    assert correct_accelerator(*row) == right


def test_regions() -> None:
    assert correct_region("azure", "mexicocentral", "Africa", "ZA") == ("North America", "MX")
    assert correct_region("aws", "us-east-1", "North America", "US") == ("North America", "US")
    assert correct_zones("azure", "0;1;2") == ("1", "2")
    assert correct_zones("azure", "0") == ()
    assert correct_zones("aws", "use1-az1;use1-az2") == ("use1-az1", "use1-az2")
