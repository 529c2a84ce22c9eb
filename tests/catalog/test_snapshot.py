from __future__ import annotations

import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.catalog.shelves import offer
from tradewind.catalog import CatalogError
from tradewind.catalog.snapshot import (
    encode_csv,
    encode_tables,
    read_file,
    read_manifest,
    read_rows,
    read_tables,
    write_file,
)
from tradewind.catalog.tables import split


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back_equal(value: float) -> None:
    cell = encode_csv(["x"], [[value]]).decode().splitlines()[1]
    assert float(cell) == value


def test_unknown_is_an_empty_cell() -> None:
    assert encode_csv(["a", "b", "c"], [[None, 2.0, "x,y"]]) == b'a,b,c\n,2,"x,y"\n'


@given(
    st.permutations(
        [offer(region, name, vcpus=vcpus) for region in ("r1", "r2") for name, vcpus in (("m1", None), ("m2", 2.0))]
    )
)
def test_the_order_of_offers_does_not_show(offers: list) -> None:
    assert encode_tables(split(offers)) == encode_tables(
        split(sorted(offers, key=lambda o: (o.region, o.instance_type)))
    )


def test_tables_read_back(tmp_path: pathlib.Path) -> None:
    for name, content in encode_tables(split([offer()])).items():
        write_file(str(tmp_path), name, content)
    tables = read_tables(str(tmp_path))
    assert list(tables.types) == [["0", "aws", "m1", "x86_64", "2", "8", "", "0", "", "0", "", "", "", ""]]
    assert list(tables.places) == [["0", "aws", "r1", "", "0"]]
    assert list(tables.prices) == [["0", "0", "1", "", "0", ""]]


def test_a_damaged_snapshot_says_to_install_again(tmp_path: pathlib.Path) -> None:
    (tmp_path / "types.csv.xz").write_bytes(b"noise")
    (tmp_path / "manifest.json").write_text("{}")
    for read in (
        lambda: list(read_rows("types.csv.xz", str(tmp_path))),
        lambda: read_file("places.csv", str(tmp_path)),
        lambda: read_manifest(str(tmp_path)),
    ):
        with pytest.raises(CatalogError, match="install tradewind again"):
            read()
