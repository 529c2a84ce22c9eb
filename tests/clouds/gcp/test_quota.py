from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clouds.conformance import run
from clouds.gcp.world import GcpWorld, offer, request
from tradewind.broker.clouds.gcp import quota

AMOUNTS = st.dictionaries(
    st.sampled_from(["CPUS", "NVIDIA_L4_GPUS", "IN_USE_ADDRESSES"]), st.integers(0, 100).map(float), min_size=1
)


@given(used=AMOUNTS, free=AMOUNTS)
def test_what_fits_fits_and_one_more_does_not(used, free) -> None:
    count = quota.fits(used, free, use_spot=False)
    shared = [m for m, amount in used.items() if m in free and amount > 0]
    if count is None:
        assert not shared
        return
    assert all(count * used[m] <= free[m] or count == 0 for m in shared)
    assert any((count + 1) * used[m] > free[m] for m in shared)


def test_spot_takes_the_preemptible_metric_where_there_is_one() -> None:
    used = {"NVIDIA_T4_GPUS": 1.0, "CPUS": 4.0}
    assert (
        quota.fits(used, {"NVIDIA_T4_GPUS": 0.0, "PREEMPTIBLE_NVIDIA_T4_GPUS": 2.0, "CPUS": 100.0}, use_spot=True) == 2
    )
    assert (
        quota.fits(used, {"NVIDIA_T4_GPUS": 0.0, "PREEMPTIBLE_NVIDIA_T4_GPUS": 2.0, "CPUS": 100.0}, use_spot=False) == 0
    )
    assert quota.fits(used, {"PREEMPTIBLE_NVIDIA_T4_GPUS": 0.0, "CPUS": 100.0}, use_spot=True) == 0
    assert quota.fits(used, {"CPUS": 8.0, "PREEMPTIBLE_CPUS": 0.0}, use_spot=True) == 2


def test_read_by_amount_before_buying(world: GcpWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        world.cloud.compute.region_quotas.update(N2_CPUS=30.0, NVIDIA_V100_GPUS=4.0)
        v100 = offer("n1-standard-8", accelerator="V100", accelerator_count=2.0)
        tpu = offer("tpu-v6e-4", accelerator="tpu-v6e", vcpus=None)
        assert await provider.headroom([offer(), v100, tpu], use_spot=False) == [3, 2, None]
        made = await provider.launch(request(), "t")
        assert await provider.headroom([offer()], use_spot=False) == [2]
        await provider.terminate(made.provider_id)
        world.cloud.compute.project_quotas["GPUS_ALL_REGIONS"] = 0.0
        assert await provider.headroom([v100], use_spot=False) == [0]
        assert await provider.headroom([], use_spot=False) == []

    run(scenario())
