from __future__ import annotations

import datetime as dt
import pathlib

from tradewind.catalog import Catalog, open_catalog
from tradewind.catalog.checkup import examine
from tradewind.catalog.imports import add_import, own_directory


def test_the_shipped_catalog_examined(shipped: Catalog) -> None:
    found = examine(shipped, dt.date(2026, 8, 4))
    assert len(found.set_aside) == 30
    assert all(entry.reason for entry in found.set_aside)
    assert (found.imports, found.age) == ((), "")
    assert "Gaudi" in found.accelerators_without_datasheet
    assert "H100" not in found.accelerators_without_datasheet
    assert found.regions_without_country == ("lambda/europe-south-1",)
    assert (found.types_without_network["aws"], found.types_without_disk["aws"]) == (24, 24)
    assert found.types_without_network["lambda"] == 25
    assert len(found.sentences()) == 5
    old = examine(shipped, dt.date(2027, 1, 1))
    assert "days old" in old.sentences()[-1]


def test_imports_are_listed(tmp_path: pathlib.Path, own_cache: pathlib.Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("cloud,region,instance_type,price_ondemand_usd_h\nonprem,basement,dgx,2\nonprem,attic,dgx,3\n")
    add_import(str(path), own_directory())
    with open_catalog() as catalog:
        found = examine(catalog, dt.date(2026, 8, 4))
    (entry,) = found.imports
    assert (entry.name, entry.offers, entry.path) == ("mine", 2, f"{own_directory()}/mine.csv")
    assert "onprem/attic" in found.regions_without_country
    assert own_cache.exists()
