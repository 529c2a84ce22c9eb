from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clouds.azure.world import AzureWorld, offer, request
from clouds.conformance import run
from tradewind.broker.clouds.azure import quota


@given(vcpus=st.integers(1, 64), cores=st.integers(0, 500), family=st.integers(0, 500))
def test_what_fits_fits_and_one_more_does_not(vcpus, cores, family) -> None:
    count = quota.fits(vcpus, "Fam", {"cores": cores, "fam": family}, use_spot=False)
    assert count is not None
    assert count * vcpus <= min(cores, family) < (count + 1) * vcpus


def test_spot_has_a_quota_of_its_own() -> None:
    free = {"cores": 0.0, "fam": 0.0, "lowprioritycores": 20.0}
    assert quota.fits(8, "Fam", free, use_spot=True) == 2
    assert quota.fits(8, "Fam", {}, use_spot=True) is None


def test_read_by_amount_before_buying(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        world.cloud.arm.quotas.update(standardDSv5Family=30, lowPriorityCores=16)
        closed, unknown = offer("Standard_E4s_v5"), offer("Standard_Nothing")
        assert await provider.headroom([offer(), closed, unknown], use_spot=False) == [3, 0, 0]
        assert await provider.headroom([offer()], use_spot=True) == [2]
        made = await provider.launch(request(), "t")
        assert await provider.headroom([offer()], use_spot=False) == [2]
        await provider.terminate(made.provider_id)

    run(scenario())
