"""`tradewind catalog import|remove|diff|doctor`: what they say and what they change."""

from __future__ import annotations

import pathlib

import pytest

from tradewind.cli import exits

from .catalogs import Line

ROWS = "cloud,region,instance_type,price_ondemand_usd_h,vcpus,memory_gib,accelerator,accelerator_count\n"
TASK = "resources:\n  accelerators: A100:8\nrun: echo\n"


@pytest.fixture
def line(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text(
        ROWS + "onprem,basement,dgx,2,96,1024,A100,8\naws,us-east-1,p5.48xlarge,31.5,,,,\n"
    )
    (tmp_path / "t.yaml").write_text(TASK)
    return Line(capsys)


def test_imported_offers_are_planned_on_until_they_are_removed(line: Line) -> None:
    shipped = line("plan", "t.yaml", "--json").json["placements"][0]
    told = line("catalog", "import", "mine.csv", "--json").json
    assert told == {"name": "mine", "offers": 2, "stand_in": 1, "new": 1, "replaced": False}
    mine = line("plan", "t.yaml", "--json").json["placements"][0]
    assert (mine["cloud"], mine["instance_type"], mine["hourly_usd"]) == ("onprem", "dgx", 2.0)
    assert "your own price of 20" in line("plan", "t.yaml").out
    doctor = line("catalog", "doctor", "--json").json
    assert [(entry["name"], entry["offers"]) for entry in doctor["imports"]] == [("mine", 2)]
    assert "mine" in line("catalog", "doctor").out
    assert "Your own offers are in it: mine." in line("catalog", "info").out
    assert "in place of what had that name" in line("catalog", "import", "mine.csv").out
    assert line("catalog", "remove", "mine").out == "Removed 'mine'.\n"
    assert line("plan", "t.yaml", "--json").json["placements"][0] == shipped
    gone = line("catalog", "remove", "mine")
    assert (gone.code, gone.err) == (exits.BAD_INPUT, "tradewind: nothing is imported under the name 'mine'\n")


def test_a_catalog_for_once_is_planned_on_alone(line: Line, tmp_path: pathlib.Path) -> None:
    line("catalog", "import", "mine.csv")
    (tmp_path / "once.csv").write_text(
        "cloud,instance_type,arch,vcpus,memory_gib,accelerator,accelerator_count,region,price_ondemand_usd_h\n"
        "gcp,a2-megagpu,,96,1360,A100,8,us-central1,40\n"
    )
    placed = line("plan", "t.yaml", "--catalog", "once.csv", "--json").json["placements"][0]
    assert (placed["instance_type"], placed["hourly_usd"]) == ("a2-megagpu", 40.0)
    assert line("offers", "--catalog", "once.csv").out.count("\n") == 2


def test_tpu_slices_are_planned_by_the_names_people_type(line: Line, tmp_path: pathlib.Path) -> None:
    for typed in ("tpu-v5e-8", "v5litepod-8", "tpu-v5litepod-8", "{tpu-v5e: 8}"):
        (tmp_path / "tpu.yaml").write_text(f"resources:\n  accelerators: {typed}\nrun: echo\n")
        placed = line("plan", "tpu.yaml", "--json").json["placements"][0]
        assert (placed["cloud"], placed["instance_type"]) == ("gcp", "tpu-v5litepod-8"), typed


def test_a_bad_import_is_one_sentence_and_changes_nothing(line: Line, tmp_path: pathlib.Path) -> None:
    (tmp_path / "bad.csv").write_text(ROWS + "onprem,basement,dgx,free,,,,\n")
    ran = line("catalog", "import", "bad.csv")
    assert ran.code == exits.BAD_INPUT
    assert ran.err == "tradewind: bad.csv: 1 row cannot be used: line 2: price_ondemand_usd_h 'free' is no amount\n"
    assert line("catalog", "import", "mine.csv", "--name", "../x").code == exits.BAD_INPUT
    assert line("catalog", "import", "nowhere.csv").code == exits.BAD_INPUT
    assert line("catalog", "doctor", "--json").json["imports"] == []
    assert not (tmp_path / "data").exists()


def test_diff_counts_and_lists(line: Line, tmp_path: pathlib.Path) -> None:
    head = "cloud,instance_type,arch,vcpus,memory_gib,region,price_ondemand_usd_h,price_spot_usd_h\n"
    (tmp_path / "a.csv").write_text(head + "aws,m1,,2,8,r1,1,0.5\naws,m2,,2,8,r1,1,\nazure,gone,,2,8,r1,1,\n")
    (tmp_path / "b.csv").write_text(head + "aws,m1,,2,8,r1,1,0.25\naws,m2,,2,8,r1,1.1,\naws,new,,2,8,r1,1,\n")
    text = line("catalog", "diff", "a.csv", "b.csv").out
    assert text.startswith("From a.csv to b.csv: 1 offer came, 1 went, 0 stayed as they were; 1 price fell, 1 rose.\n")
    rows = [row.split() for row in text.splitlines()[3:]]
    assert rows == [
        ["aws", "r1", "m1", "spot", "0.50", "0.25", "-50%"],
        ["aws", "r1", "m2", "on", "demand", "1.00", "1.10", "+10%"],
    ]
    assert "and 1 more" in line("catalog", "diff", "a.csv", "b.csv", "--limit", "1").out
    found = line("catalog", "diff", "a.csv", "b.csv", "--json").json
    assert [offer["instance_type"] for offer in found["removed"]] == ["gone"]
    assert line("catalog", "diff", "a.csv", "b.csv", "--cloud", "azure", "--json").json["changed"] == []
    assert line("catalog", "diff", "a.csv", "nowhere").code == exits.BAD_INPUT
    same = line("catalog", "diff", "a.csv", "a.csv").out
    assert "0 offers came, 0 went, 3 stayed as they were" in same
