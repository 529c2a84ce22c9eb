"""`tradewind.catalog.offers(...)`: typed rows, and other libraries' tables where those are."""

from __future__ import annotations

import pathlib
import pickle
import sys

import pytest

from tradewind.catalog import CatalogError, MissingLibraryError, Offer, Offers, offers
from tradewind.catalog.frames import COLUMNS


@pytest.fixture(autouse=True)
def _cache(shared_cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


def test_typed_rows_in_order() -> None:
    found = offers("H100:8", spot=True, limit=5, one_per="region", continents="europe")
    assert isinstance(found, Offers)
    assert all(isinstance(offer, Offer) for offer in found)
    assert [o.price_spot_usd_h for o in found] == sorted(o.price_spot_usd_h or 0 for o in found)
    assert len({o.region for o in found}) == len(found) == 5
    assert found[0] in found
    assert isinstance(found[1:], Offers)
    assert found[1:].date == found.date == "2026-08-03"
    assert found.to_dicts()[0]["accelerator"] == "H100"
    assert repr(found) == "<5 offers>"


def test_amounts_may_be_numbers_and_names_single() -> None:
    assert (
        offers(cpus=4, memory="16", clouds="gcp", limit=3).rows
        == offers(cpus="4", memory=16, clouds=("gcp",), limit=3).rows
    )


def test_what_was_left_out_is_said() -> None:
    notes = offers("any", min_tflops=2000, limit=1).notes
    assert len(notes) == 1
    assert "bf16 TFLOPS" in notes[0]
    assert "K80" in notes[0]
    assert offers("H100", limit=1).notes == ()


def test_wrong_names_are_refused() -> None:
    with pytest.raises(CatalogError, match="sort='cheapest' is unknown; write price, name, per-gpu"):
        offers("A100", sort="cheapest")  # type: ignore[arg-type]
    with pytest.raises(CatalogError, match="one_per='planet' is unknown; write cloud, region, zone, instance_type or"):
        offers("A100", one_per="planet")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="colour"):
        offers(colour="red")
    with pytest.raises(CatalogError, match="did you mean 'H100'"):
        offers("h10")


@pytest.mark.parametrize(
    ("method", "library"), [("to_arrow", "pyarrow"), ("to_pandas", "pandas"), ("to_polars", "polars")]
)
def test_a_missing_library_is_one_sentence(method: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # as Python marks what cannot be imported
    with pytest.raises(MissingLibraryError) as caught:
        getattr(Offers(()), method)()
    assert (
        str(caught.value)
        == f"{method} needs {library}, which is not installed; install it with `pip install {library}`"
    )
    assert isinstance(caught.value, ImportError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("empty", [False, True])
def test_arrow(empty: bool) -> None:
    pytest.importorskip("pyarrow")
    found = offers("tpu-v5e-8", limit=0 if empty else 4)
    table = found.to_arrow()
    assert table.column_names == list(COLUMNS)
    assert table.num_rows == len(found)
    assert [str(table.schema.field(name).type) for name in ("cloud", "vcpus", "burstable")] == [
        "string",
        "double",
        "bool",
    ]
    assert table.to_pylist() == [row | {"features": list(row["features"])} for row in found.to_dicts()]


@pytest.mark.parametrize("empty", [False, True])
def test_pandas(empty: bool) -> None:
    pandas = pytest.importorskip("pandas")
    found = offers("tpu-v5e-8", limit=0 if empty else 4)
    frame = found.to_pandas()
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == len(found)
    assert [str(frame[name].dtype) for name in ("vcpus", "price_ondemand_usd_h", "burstable")] == [
        "float64",
        "float64",
        "bool",
    ]
    assert list(frame["instance_type"]) == [o.instance_type for o in found]
    assert empty or pandas.isna(frame["vcpus"][0])


@pytest.mark.parametrize("empty", [False, True])
def test_polars(empty: bool) -> None:
    pytest.importorskip("polars")
    found = offers("tpu-v5e-8", limit=0 if empty else 4)
    frame = found.to_polars()
    assert frame.columns == list(COLUMNS)
    assert frame.to_dicts() == [row | {"features": list(row["features"])} for row in found.to_dicts()]
