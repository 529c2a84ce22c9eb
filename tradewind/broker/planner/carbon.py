"""What a machine emits: kg of CO2-equivalent an hour, from its size and its region's grid. None where a figure is missing.

    kg/h = PUE x (vCPUs x W + GiB x 0.392 W + accelerators x rated W) / 1000 x gCO2e/kWh / 1000

The method and the figures for processors and memory are Cloud Carbon Footprint's (cloudcarbonfootprint.org/docs/methodology, operational
emissions, location-based): W a vCPU at half load is the mean of its least and most. Its accelerators count at their rated board power as they
do here (its figures are 2 % above the makers'), an upper estimate; of memory it leaves out what the processor's own figure holds already, so that
0.392 W for every GiB is an upper estimate too. Moving data takes 0.001 kWh/GB, and the building of the region that it leaves. The making of machines is
not counted.
"""

from __future__ import annotations

from tradewind.catalog.offer import Offer
from tradewind.catalog.region import Region

# Least and most watts a vCPU, what the building adds (power usage effectiveness), and watts a GiB: MIN_WATTS_AVG, MAX_WATTS_AVG (at Google
# ..._MEDIAN), PUE_AVG and MEMORY_COEFFICIENT in packages/{aws,gcp,azure}/src/domain/*FootprintEstimationConstants.ts of
# github.com/cloud-carbon-footprint/cloud-carbon-footprint, as of 2023 (SPECpower_ssj2008 results; the clouds' own reports for the building).
_WATTS_A_VCPU = {"aws": (0.74, 3.5), "gcp": (0.71, 4.26), "azure": (0.78, 3.76)}
_PUE = {"aws": 1.135, "gcp": 1.1, "azure": 1.185}
_WATTS_A_GIB = 0.392
# NETWORKING_COEFFICIENT in the same files; its NetworkingEstimator.ts multiplies it by what the building adds.
_KWH_A_GB_MOVED = 0.001
# Rated power of one device in watts, from the makers' datasheets; of boards with two devices the half.
_WATTS_A_DEVICE = {
    "K80": 150, "M60": 150, "P4": 75, "P100": 250, "V100": 300, "V100-32GB": 300, "T4": 70, "T4G": 70, "A10": 150, "A10G": 300,
    "A100": 400, "A100-80GB": 400, "L4": 72, "L40S": 350, "H100": 700, "H100-MEGA": 700, "H200": 700, "B200": 1000, "MI300X": 750,
}  # fmt: skip


def carbon_kg_h(offer: Offer, region: Region) -> float | None:
    """Kg CO2-equivalent/hour of one machine there; None when the grid, the size or the power of its accelerator is not known."""
    grid = region.gco2eq_per_kwh
    watts = watts_of(offer)
    return None if grid is None or watts is None else watts * grid / 1_000_000


def moving_kg_per_gb(region: Region) -> float | None:
    """Kg CO2-equivalent for a GB that leaves the region; None when its grid or its cloud's buildings are not known."""
    grid, building = region.gco2eq_per_kwh, _PUE.get(region.cloud)
    return None if grid is None or building is None else _KWH_A_GB_MOVED * building * grid / 1000


def watts_of(offer: Offer) -> float | None:
    """Watts of one machine at half load, building included; None where a part is not known."""
    span = _WATTS_A_VCPU.get(offer.cloud)
    if span is None or offer.vcpus is None or offer.memory_gib is None:
        return None
    watts = offer.vcpus * sum(span) / 2 + offer.memory_gib * _WATTS_A_GIB
    if offer.accelerator:
        each = _WATTS_A_DEVICE.get(offer.accelerator)
        if each is None:
            return None
        watts += each * offer.accelerator_count
    return watts * _PUE[offer.cloud]
