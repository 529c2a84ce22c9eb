from __future__ import annotations

import pytest

from clouds.error_tables import NOW, ErrorTableTests
from tradewind.broker.clouds.gcp.errors import MEANINGS, TABLE


class TestTable(ErrorTableTests):
    table, rows = TABLE, MEANINGS


@pytest.mark.parametrize(
    ("code", "message", "kind", "scope"),
    [
        ("QUOTA_EXCEEDED", "Quota 'GPUS_ALL_REGIONS' exceeded.  Limit: 0.0 globally.", "quota", "type"),
        ("QUOTA_EXCEEDED", "Quota 'CPUS_ALL_REGIONS' exceeded.  Limit: 32.0 globally.", "quota", "cloud"),
        ("QUOTA_EXCEEDED", "Quota 'N2_CPUS' exceeded.  Limit: 24.0 in region us-central1.", "quota", "family"),
        ("QUOTA_EXCEEDED", "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1.", "quota", "family"),
        ("QUOTA_EXCEEDED", "Quota 'CPUS_PER_VM_FAMILY' exceeded.  Limit: 0.0 in region us-east4.", "quota", "family"),
        ("QUOTA_EXCEEDED", "Quota 'PREEMPTIBLE_CPUS' exceeded.  Limit: 24.0 in region us-central1.", "quota", "region"),
        ("QUOTA_EXCEEDED", "Quota 'IN_USE_ADDRESSES' exceeded.  Limit: 8.0 in region us-central1.", "quota", "region"),
        (
            "RESOURCE_EXHAUSTED",
            "Quota limit 'TPUV6EPreemptiblePerProjectPerZoneForTPUAPI' has been exceeded",
            "quota",
            "type",
        ),
        ("RESOURCE_EXHAUSTED", "There is no more capacity in the zone", "capacity", "type"),
        ("FAILED_PRECONDITION", "Reservation not found", "request", "type"),
        ("notFound", "The resource 'projects/x/global/images/family/y' was not found", "image", "type"),
        ("notFound", "The resource 'projects/x/global/networks/default' was not found", "request", "cloud"),
        ("invalid", "Requested disk size cannot be smaller than the image size (50 GB)", "image", "type"),
        ("PERMISSION_DENIED", "Permission denied on 'locations/us-x1-a' (or it may not exist).", "request", "type"),
    ],
)
def test_the_text_may_say_more_than_the_code(code, message, kind, scope) -> None:
    blocked = TABLE.classify(TABLE.refusal(code, message), NOW)
    assert (blocked.kind, blocked.scope) == (kind, scope)
