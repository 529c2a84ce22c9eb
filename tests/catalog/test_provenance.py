from __future__ import annotations

import pytest

from tradewind.catalog.provenance import Provenance, aws_provenance, provenance


def test_aws() -> None:
    assert aws_provenance("exact", "") == Provenance("exact", "derived", "2026-07-20", "")
    assert aws_provenance("catalog", "az") == Provenance("exact", "exact", "2025-11-01", "2025-11-01")
    assert aws_provenance("ratio", "advisor") == Provenance("derived", "derived", "2025-03-02", "2025-06-28")


def test_google_assembles_its_largest_machines_and_slices() -> None:
    assert provenance("gcp", "n2-standard-2", "", 0).basis == "list"
    assert provenance("gcp", "a3-ultragpu-8g", "H200", 8) == Provenance(
        "derived", "derived", "2026-05-20", "2026-05-20"
    )
    assert provenance("gcp", "tpu-v4-8", "tpu-v4", 4).basis == "list"
    assert provenance("gcp", "tpu-v4-16", "tpu-v4", 8).basis == "derived"


def test_a_cloud_without_sources_is_refused() -> None:
    with pytest.raises(KeyError):
        provenance("oci", "x", "", 0)
