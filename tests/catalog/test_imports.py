"""Own offers on disk and in every catalog opened: kept, replaced, removed, refused, and never lost silently."""

from __future__ import annotations

import os
import pathlib
import stat

import pytest

from tradewind.catalog import CatalogError, OfferFilter, fingerprint, open_catalog
from tradewind.catalog.imports import add_import, own_directory, read_imports, read_own_offers, remove_import

ROWS = "cloud,region,instance_type,price_ondemand_usd_h,accelerator,accelerator_count\n"
DGX = ROWS + "onprem,basement,dgx,2,A100,8\n"


@pytest.fixture
def mine(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "mine.csv"
    path.write_text(DGX)
    return path


def test_an_import_is_closed_to_others_and_found_again(mine: pathlib.Path, data_dir: pathlib.Path) -> None:
    entry, replaced = add_import(str(mine), own_directory())
    assert (entry.name, replaced) == ("mine", False)
    assert pathlib.Path(entry.path).is_relative_to(data_dir)
    assert stat.S_IMODE(os.stat(entry.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(own_directory()).st_mode) == 0o700
    (found,) = read_imports(own_directory())
    assert found == entry
    (offer,) = read_own_offers(found)
    assert (offer.cloud, offer.basis, offer.date, offer.arch) == ("onprem", "own", entry.date, "")
    assert add_import(str(mine), own_directory()) == (entry, True)
    assert os.listdir(own_directory()) == ["mine.csv"]


def test_a_catalog_has_them_until_they_are_removed(mine: pathlib.Path, own_cache: pathlib.Path) -> None:
    wanted = OfferFilter(accelerator="A100", accelerator_count=8.0)
    before = fingerprint()
    with open_catalog() as catalog:
        shipped = catalog.count()
        assert catalog.imports == ()
    add_import(str(mine), own_directory())
    assert fingerprint() != before
    for _ in range(2):  # the second time from the index
        with open_catalog() as catalog:
            assert catalog.count() == shipped + 1
            assert [entry.name for entry in catalog.imports] == ["mine"]
            assert catalog.offers(wanted, limit=1)[0].instance_type == "dgx"
            assert catalog.source == "shipped"
            assert len(catalog.quarantined()) == 30
    with open_catalog(own="") as catalog:
        assert catalog.count() == shipped
    remove_import("mine", own_directory())
    assert read_imports(own_directory()) == []
    with open_catalog() as catalog:
        assert catalog.count() == shipped
    assert own_cache.exists()


def test_a_catalog_of_ones_own_stays_alone(mine: pathlib.Path, tmp_path: pathlib.Path, own_cache: pathlib.Path) -> None:
    add_import(str(mine), own_directory())
    alone = tmp_path / "alone.csv"
    alone.write_text("cloud,instance_type,arch,vcpus,memory_gib,region,price_ondemand_usd_h\naws,m1,,2,8,r1,1\n")
    with open_catalog(str(alone)) as catalog:
        assert [o.instance_type for o in catalog.offers(OfferFilter(use_spot=None))] == ["m1"]
        assert catalog.imports == ()
    assert own_cache.exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cloud,region\naws,r1\n", "lacks the column instance_type"),
        (ROWS + "aws,r1,m1,,,\n", "line 2: no price"),
        (ROWS + "aws,r1,m1,-1,,\n", "line 2: price_ondemand_usd_h '-1' is no amount"),
        (ROWS + "aws,r1,m1,nan,,\n", "is no amount"),
        (ROWS + f"aws,r1,m1,{'9' * 150},,\n", "is no amount"),
        (ROWS + "aws,r1,m1,1,,\naws,r1,m1,2,,\n", "line 3: the same offer as line 2"),
        (ROWS + "aws,r1,m\x1b[31m1,1,,\n", "instance_type holds a control character"),
        (ROWS + f"aws,r1,{'m' * 300},1,,\n", "instance_type is 300 letters long"),
        (ROWS, "holds no offers"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_kept(text: str, reason: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(CatalogError) as caught:
        add_import(str(path), own_directory())
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not os.path.exists(own_directory())


def test_the_same_offer_twice_names_the_other_import(mine: pathlib.Path) -> None:
    add_import(str(mine), own_directory())
    with pytest.raises(CatalogError, match="dgx in onprem/basement is already imported as 'mine'"):
        add_import(str(mine), own_directory(), "again")
    assert [entry.name for entry in read_imports(own_directory())] == ["mine"]


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 64, "a b", "é"])
def test_a_name_is_a_plain_word(name: str, mine: pathlib.Path) -> None:
    with pytest.raises(CatalogError, match="is no name for an import"):
        add_import(str(mine), own_directory(), name)


def test_a_damaged_import_stops_every_plan_with_a_sentence(mine: pathlib.Path, own_cache: pathlib.Path) -> None:
    """A price that the person counts on must not vanish silently."""
    entry, _ = add_import(str(mine), own_directory())
    pathlib.Path(entry.path).write_text(ROWS + "onprem,basement,dgx,free,,\n")
    with pytest.raises(CatalogError, match="mend it, or remove it with `tradewind catalog remove mine`"):
        open_catalog()
    remove_import("mine", own_directory())
    with open_catalog() as catalog:
        assert catalog.imports == ()
    assert own_cache.exists()


def test_removing_what_is_not_there_says_what_is(mine: pathlib.Path) -> None:
    with pytest.raises(CatalogError, match="nothing is imported under the name 'mine'$"):
        remove_import("mine", own_directory())
    add_import(str(mine), own_directory())
    with pytest.raises(CatalogError, match="did you mean 'mine'"):
        remove_import("mne", own_directory())
    with pytest.raises(CatalogError, match="there are mine"):
        remove_import("zzz", own_directory())


def test_no_home_means_none_imported(monkeypatch: pytest.MonkeyPatch, mine: pathlib.Path) -> None:
    assert read_imports("") == []
    with pytest.raises(CatalogError, match="there is no home"):
        add_import(str(mine), "")


def test_a_place_that_cannot_be_written_is_one_sentence(mine: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="cannot be kept: not a directory; set TRADEWIND_DATA_DIR"):
        add_import(str(mine), str(tmp_path / "file" / "imports"))
