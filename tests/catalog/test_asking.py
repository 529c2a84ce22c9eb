"""What a person types, as a filter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.catalog.shelves import offer, shelf
from tradewind.catalog import Catalog, CatalogError, OfferFilter, PlacePattern, Wish, filter_of
from tradewind.catalog.asking import bounds


@pytest.mark.parametrize(
    ("text", "limits"),
    [(None, (None, None)), ("4", (4, 4)), (" 4+ ", (4, None)), ("0.5+", (0.5, None)), ("1e3", (1000, 1000))],
)
def test_amounts(text: str | None, limits: tuple[float | None, float | None]) -> None:
    assert bounds(text, "cpus") == limits


@pytest.mark.parametrize("text", ["", "+", "four", "-1", "0", "nan", "inf", "1e999", "4++", "9" * 5000])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(CatalogError, match="cpus: .* is no amount; write 4 for exactly"):
        bounds(text, "cpus")


@pytest.mark.parametrize(
    ("gpu", "fields"),
    [
        ("a100", {"accelerator": "A100"}),
        ("A100:8", {"accelerator": "A100", "accelerator_count": 8.0}),
        ("h100:4+", {"accelerator": "H100", "min_accelerator_count": 4.0}),
        ("v5litepod-8", {"accelerator": "tpu-v5e", "accelerator_count": 8.0}),
        ("tpu-v5e-1", {"accelerator": "tpu-v5e", "accelerator_count": 1.0}),
        ("tpu-v5e", {"accelerator": "tpu-v5e"}),
        ("tpu-v4:4+", {"accelerator": "tpu-v4", "min_accelerator_count": 4.0}),
        ("any", {"any_accelerator": True}),
        ("none", {"no_accelerator": True}),
    ],
)
def test_accelerators(gpu: str, fields: dict[str, object], shipped: Catalog) -> None:
    assert filter_of(Wish(gpu=gpu), shipped) == OfferFilter(**fields)  # type: ignore[arg-type]
    assert shipped.offers(filter_of(Wish(gpu=gpu), shipped), limit=1)


def test_places_and_what_naming_them_admits(shipped: Catalog) -> None:
    found = filter_of(Wish(infra="AWS/us-gov-*", cpus="4+", memory="2x", continents=("north-america",)), shipped)
    assert (found.clouds, found.region, found.restricted, found.burstable) == (("aws",), "us-gov-*", True, False)
    assert (found.min_vcpus, found.max_vcpus, found.min_memory_gib_per_vcpu) == (4, None, 2)
    assert found.continents == ("North America",)
    assert shipped.offers(found, limit=1)[0].region.startswith("us-gov-")
    assert filter_of(Wish(instance_type="t3.*"), shipped).burstable
    excluded = filter_of(Wish(exclude=("aws/*/*/p5.*", "gcp")), shipped).excluded
    assert excluded == (PlacePattern("aws", "", "", "p5.*"), PlacePattern("gcp"))


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Wish(clouds=("awz",)), "did you mean 'aws'"),
        (Wish(region="us-eats-1"), "did you mean 'us-east-1'"),
        (Wish(infra="aws/us-east1"), "on aws; did you mean 'us-east-1'"),
        (Wish(infra="a/b/c/d"), "is no place"),
        (Wish(infra="aws//"), "is no place"),
        (Wish(infra="aws", region="us-east-1"), "infra already says where"),
        (Wish(instance_type="p5.48xlrge"), "did you mean 'p5.48xlarge'"),
        (Wish(gpu="h10"), "did you mean 'H100'"),
        (Wish(gpu="A100:lots"), "gpu: 'lots' is no amount"),
        (Wish(gpu="A100:"), "gpu: '' is no amount"),
        (Wish(gpu="v5litepod-8:2"), "names a whole TPU slice"),
        (Wish(continents=("a",)), "continent: 'a' is none of Africa, Asia"),
        (Wish(continents=("",)), "continent: '' is none of"),
        (Wish(exclude=("a/b/c/d/e",)), "exclude: 'a/b/c/d/e' is no place"),
        (Wish(memory="x"), "memory: '' is no amount"),
        (Wish(gpu_memory="lots"), "gpu-memory: 'lots' is no amount"),
    ],
)
def test_what_is_wrong_is_one_sentence(wish: Wish, says: str, shipped: Catalog) -> None:
    with pytest.raises(CatalogError) as caught:
        filter_of(wish, shipped)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    st.text(max_size=12),
    st.sampled_from(["gpu", "cpus", "memory", "gpu_memory", "region", "zone", "infra", "instance_type"]),
)
def test_any_text_is_a_filter_or_a_sentence(text: str, field: str) -> None:
    with shelf([offer(accelerator="A100", accelerator_count=1.0)]) as catalog:
        try:
            wanted = filter_of(Wish(**{field: text}), catalog)
        except CatalogError:
            return
        catalog.offers(wanted, limit=1)
