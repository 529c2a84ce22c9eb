"""A person's own catalog: taken at its word, refused by line."""

from __future__ import annotations

import gzip
import pathlib

import pytest

from tradewind.catalog import CatalogError, OfferFilter, open_catalog
from tradewind.catalog.usercsv import COLUMNS, parse_offers, read_bytes

HEADER = ",".join(COLUMNS)


def rows(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines]).encode()


GOOD = "aws,m1,x86_64,2,8,,,,r1,,1.0,0.3"


def test_prices_are_believed_and_indexed(tmp_path: pathlib.Path, own_cache: pathlib.Path) -> None:
    text = rows(
        GOOD,
        "aws,m1,x86_64,2,8,,,,r2,,0.01,",
        "private,big,arm64,64,512,H100,8,80,hall,rack-1,0,",
        "aws,t3.micro,,2,1,,,,us-gov-1,,0.01,",
    )
    plain, packed = tmp_path / "offers.csv", tmp_path / "offers.csv.gz"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    for path in (plain, packed):
        with open_catalog(str(path)) as catalog:
            assert catalog.clouds() == ["aws", "private"]
            assert [(o.region, o.price_ondemand_usd_h) for o in catalog.offers()] == [
                ("hall", 0.0),
                ("r2", 0.01),
                ("r1", 1.0),
            ]
            assert catalog.offers(OfferFilter(accelerator="H100", accelerator_count=8))[0].zone == "rack-1"
            assert catalog.count(OfferFilter(restricted=True, burstable=True)) == 4
            assert (catalog.source, catalog.date, catalog.quarantined()) == (str(path), "", [])
    assert len(list((own_cache / "tradewind").glob("*.sqlite"))) == 1  # the same contents, the same index


def test_equipment_may_stand_beside_the_rest() -> None:
    header = f"{HEADER},features,local_disk_gb,local_disk_kind,network_gbps"
    (found,) = parse_offers(f"{header}\n{GOOD},efa bare_metal,500,nvme,25\n".encode(), "o.csv")
    assert (found.local_disk_gb, found.local_disk_kind, found.network_gbps) == (500, "nvme", 25)
    assert found.features == ("bare_metal", "efa")
    with pytest.raises(
        CatalogError, match=r"line 2: local_disk_kind 'tape' is none of nvme, ssd, hdd; line 3: feature 'x'"
    ):
        parse_offers(f"{header}\n{GOOD},,1,tape,\n{GOOD},x,,,\n".encode(), "o.csv")


def test_a_changed_file_is_another_catalog(tmp_path: pathlib.Path, own_cache: pathlib.Path) -> None:
    path = tmp_path / "offers.csv"
    for price in ("1.0", "2.0"):
        path.write_bytes(rows(GOOD.replace("1.0", price)))
        with open_catalog(str(path)) as catalog:
            assert catalog.offers()[0].price_ondemand_usd_h == float(price)


def test_optional_columns_may_be_missing_and_in_any_order() -> None:
    data = b"region,price_ondemand_usd_h,cloud,instance_type,arch,vcpus,memory_gib\r\nr1,1,AWS,m1,x86_64,2,8\r\n\r\n"
    (found,) = parse_offers(data, "o.csv")
    assert (found.cloud, found.zone, found.accelerator, found.price_spot_usd_h) == ("aws", "", "", None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("aws,m1,x86_64,2,8,,,,r1,,nan,", "line 3: price_ondemand_usd_h 'nan' is no amount"),
        ("aws,m1,x86_64,2,8,,,,r1,,-1,", "line 3: price_ondemand_usd_h '-1' is no amount"),
        ("aws,m1,x86_64,2,8,,,,r1,,inf,", "line 3: price_ondemand_usd_h 'inf' is no amount"),
        ("aws,m2,x86_64,two,8,,,,r1,,1,", "line 3: vcpus 'two' is no amount"),
        ("aws,m1,x86_64,2,8,,,,r1,,,", "line 3: no price"),
        (",m1,x86_64,2,8,,,,r1,,1,", "line 3: cloud is empty"),
        ("aws,m1,mips,2,8,,,,r1,,1,", "line 3: arch 'mips' is neither x86_64 nor arm64"),
        ("aws,m1,x86_64,2,8,,4,,r1,,1,", "line 3: accelerator_count without an accelerator"),
        ("aws,m1", "line 3: 2 cells where the header has 12"),
        (GOOD, "line 3: the same offer as line 2"),
    ],
)
def test_a_bad_row_is_named_by_its_line(line: str, reason: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_offers(rows(GOOD, line), "o.csv")
    assert str(caught.value) == f"o.csv: 1 row cannot be used: {reason}"


def test_many_bad_rows_are_counted() -> None:
    with pytest.raises(
        CatalogError, match=r"o\.csv: 9 rows cannot be used: line 2: .*; line 3: .*; line 4: .*; and 6 more"
    ):
        parse_offers(rows(*["aws,m1,x86_64,2,8,,,,r1,,x,"] * 9), "o.csv")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "lacks the column cloud, instance_type"),
        (b"cloud,region\n", "lacks the column instance_type, arch"),
        (HEADER.encode() + b",colour\n", "unknown column 'colour'"),
        (HEADER.encode() + b",cloud\n", "a column twice"),
        (HEADER.encode() + b"\n", "holds no offers"),
        (HEADER.encode() + b"\naws,\xff\n", "o.csv:2: the catalog is not UTF-8"),
    ],
)
def test_a_bad_file_is_one_sentence(data: bytes, reason: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_offers(data, "o.csv")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_compression(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "o.csv.gz"
    path.write_bytes(gzip.compress(rows(GOOD) * 50)[:-20])
    with pytest.raises(CatalogError, match="compression is damaged"):
        read_bytes(str(path))
    path.write_bytes(b"\x1f\x8bnoise")
    with pytest.raises(CatalogError):
        read_bytes(str(path))


def test_a_hundred_thousand_offers_of_one_type(tmp_path: pathlib.Path, own_cache: pathlib.Path) -> None:
    path = tmp_path / "o.csv"
    path.write_bytes(rows(*[f"aws,m1,x86_64,2,8,,,,r{n},,{1 + n % 7},0.5" for n in range(100_000)]))
    with open_catalog(str(path)) as catalog:
        assert catalog.count() == 100_000
        assert [o.price_ondemand_usd_h for o in catalog.offers(limit=3)] == [1.0] * 3
        assert len(catalog.cheapest_per_place(OfferFilter())) == 100_000
