"""How an instance on Compute Engine hears that it will be taken: its metadata service, and the pure parser of what that says."""

from __future__ import annotations

from tradewind.broker.capabilities import NoticeSource

# cloud.google.com/compute/docs/instances/preemptible: `preempted` turns TRUE with the ACPI signal, 30 s before the machine is cut off.
# cloud.google.com/compute/docs/metadata/getting-live-migration-notice: GPU and TPU hosts say TERMINATE_ON_HOST_MAINTENANCE an hour ahead.
PREEMPTION_S = 30.0
MAINTENANCE_S = 3600.0

SOURCE = NoticeSource(
    urls=(
        "http://169.254.169.254/computeMetadata/v1/instance/preempted",
        "http://169.254.169.254/computeMetadata/v1/instance/maintenance-event",
    ),
    headers={"Metadata-Flavor": "Google"},
    parser="tradewind.broker.clouds.gcp.notices:seconds_left",
    interval_s=2.0,
)


def seconds_left(status: int, body: bytes, now_unix: float) -> float | None:  # noqa: ARG001  every cloud's parser is given the time
    """Seconds until the instance is taken, from the answer of either URL; None while nothing is announced."""
    if status != 200:
        return None
    said = body.strip()
    if said == b"TRUE":
        return PREEMPTION_S
    if said == b"TERMINATE_ON_HOST_MAINTENANCE":
        return MAINTENANCE_S
    return None
