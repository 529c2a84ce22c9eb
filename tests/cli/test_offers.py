"""`tradewind offers` and `accelerators`: filters, orders, history, and what is said beside the table."""

from __future__ import annotations

import datetime as dt
import pathlib
import xml.etree.ElementTree as ET

import pytest

from tradewind.catalog import upkeep
from tradewind.cli import exits

from .catalogs import Line

HEADER = "cloud,instance_type,arch,vcpus,memory_gib,region,zone,price_ondemand_usd_h,price_spot_usd_h\n"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def line(
    cache: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Line:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return Line(capsys)


def _on(monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    monkeypatch.setattr(upkeep, "today", lambda: dt.date.fromisoformat(day))


def test_old_prices_say_their_age_on_stderr(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    _on(monkeypatch, "2026-10-02")
    assert line("offers", "--limit", "1").err == ""
    _on(monkeypatch, "2026-10-03")
    ran = line("offers", "--limit", "1")
    assert ran.err.startswith("note: the catalog's newest prices are 61 days old (2026-08-03)")
    assert "note" not in ran.out
    assert "61 days old" in line("accelerators", "T4").err
    assert "61 days old" in line("catalog", "info").err
    assert line("catalog", "info", "--json").json["days_old"] == 61


def test_an_order_by_units_shows_them(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    _on(monkeypatch, "2026-08-03")
    ran = line("offers", "--gpu", "H100", "--sort", "per-gpu", "--per", "cloud", "--spot")
    title, *rows = ran.out.splitlines()
    assert title.endswith("USD/GPU")
    each = [float(row.split()[-1]) for row in rows]
    assert each == sorted(each)
    assert len({row.split()[0] for row in rows}) == len(rows) == 3
    told = line("offers", "--gpu", "H100", "--sort", "per-gpu", "--per", "cloud", "--spot", "--json").json
    assert [row["unit_price_usd_h"] for row in told] == [
        row["price_spot_usd_h"] / row["accelerator_count"] for row in told
    ]
    assert ran.err == ""


def test_what_is_not_known_is_left_out_and_said(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    _on(monkeypatch, "2026-08-03")
    limited = line("offers", "--gpu", "any", "--min-tflops", "300", "--cloud", "aws", "--json")
    assert {row["accelerator"] for row in limited.json} <= {"A100", "A100-80GB", "B200", "B300", "H100", "H200", "L40S"}
    assert "left out, because the figure is not known (bf16 TFLOPS): Gaudi, K80, M60" in limited.err
    ranked = line("offers", "--gpu", "any", "--cloud", "aws", "--sort", "per-tflop")
    assert "(bf16 TFLOPS): Gaudi, K80, M60" in ranked.err
    assert line("offers", "--gpu", "V100", "--sort", "per-tflop").err == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--cpus", "lots"], exits.BAD_INPUT),
        (["--gpu", "A100:7"], exits.NO_PLAN),
        (["--gpu", "v5litepod-8:2"], exits.BAD_INPUT),
        (["--cloud", "awz"], exits.BAD_INPUT),
        (["--infra", "aws/us-east1"], exits.BAD_INPUT),
        (["--continent", "atlantis"], exits.BAD_INPUT),
        (["--limit", "0"], exits.BAD_INPUT),
        (["--limit", "9" * 30], exits.BAD_INPUT),
        (["--sort", "colour"], exits.BAD_INPUT),
        (["--max-price", "0"], exits.NO_PLAN),
        (["--max-price", "nan"], exits.NO_PLAN),
        (["--catalog", "nowhere.csv"], exits.BAD_INPUT),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], code: int, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    _on(monkeypatch, "2026-08-03")
    ran = line("offers", *arguments)
    assert ran.code == code
    assert (ran.err + ran.out).count("\n") == 1


def test_every_table_fits_eighty_columns(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradewind.cli.terminal.width", lambda _stream=None: 80)
    for command in (
        ["offers", "--gpu", "any", "--sort", "per-tflop", "--per", "accelerator"],
        ["offers", "--gpu", "any", "--sort", "per-gpu-gib"],
        ["accelerators"],
        ["accelerators", "H100"],
        ["accelerators", "tpu-v5p"],
        ["catalog", "info"],
        ["catalog", "doctor"],
    ):
        ran = line(*command)
        assert ran.code == exits.OK
        assert max(map(len, (ran.out + ran.err).splitlines())) <= 80, command


def test_history_needs_two_snapshots_and_then_draws(line: Line, tmp_path: pathlib.Path) -> None:
    ask = ["offers", "-t", "g2-standard-4", "--region", "us-central1", "--limit", "2"]
    alone = line(*ask, "--history")
    assert alone.code == exits.FAILED
    assert alone.err == (
        "tradewind: only one snapshot is there (2026-08-03); `tradewind catalog keep` keeps it, so that later ones have a past\n"
    )
    assert line("catalog", "keep").code == exits.OK
    assert line(*ask, "--history").code == exits.FAILED  # it is the same day's
    (tmp_path / "may.csv").write_text(HEADER + "gcp,g2-standard-4,,4,16,us-central1,us-central1-a,0.35,0.3\n")
    assert line("catalog", "keep", "may.csv").code == exits.BAD_INPUT  # of which day?
    assert line("catalog", "keep", "may.csv", "--date", "2026-05-20").code == exits.OK
    drawn = line(*ask, "--history", "--plot", "prices.svg")
    assert drawn.out.splitlines()[1].split()[-1] == "▁█"  # from 0.35 to 0.7068
    root = ET.fromstring((tmp_path / "prices.svg").read_text())
    assert root.tag.endswith("svg")
    rows = line(*ask, "--history", "--json").json
    assert [point["date"] for point in rows[0]["history"]] == ["2026-05-20", "2026-08-03"]
    assert line("catalog", "info", "--json").json["snapshots"] == ["2026-05-20", "2026-08-03"]


def test_an_accelerators_cheapest_price_has_a_past(line: Line, tmp_path: pathlib.Path) -> None:
    assert line("accelerators", "L4", "--history").code == exits.FAILED
    (tmp_path / "may.csv").write_text(
        HEADER.replace("\n", ",accelerator,accelerator_count\n")
        + "gcp,g2,,4,16,us-central1,,2,,L4,4\naws,g6,,4,16,r1,,0.9,0.8,L4,1\n"
    )
    line("catalog", "keep", "may.csv", "--date", "2026-05-20")
    text = line("accelerators", "L4", "--history").out
    rows = [row.split() for row in text.splitlines() if row.startswith("L4 ")]
    assert rows == [
        ["L4", "on", "demand", "2026-05-20", "0.50", "0.7045", "▁█"],
        ["L4", "spot", "2026-05-20", "0.80", "0.152", "█▁"],
    ]
    told = line("accelerators", "L4", "--history", "--json").json
    assert told["history"]["L4"][0] == {"date": "2026-05-20", "price_ondemand_usd_h": 0.5, "price_spot_usd_h": 0.8}
    assert told["now"]["accelerator"] == "L4"
    assert "T4 " in line("accelerators", "--history").out


def test_accelerators_and_one_of_them(line: Line) -> None:
    rows = {row["name"]: row for row in line("accelerators", "--json").json}
    assert len(rows) > 45
    assert rows["H100"]["tflops_bf16"] == 989
    assert rows["H100"]["clouds"] == ["aws", "azure", "gcp", "lambda", "vast"]
    assert "tflops_bf16" not in rows["Gaudi"]  # not known, not zero
    shown = line("accelerators", "v5litepod-8", "--json").json
    assert shown["accelerator"] == "tpu-v5e"
    (way,) = shown["offers"]
    assert (way["count"], way["cloud"]) == (8, "gcp")
    cheapest = line("offers", "--gpu", "v5litepod-8", "--limit", "1", "--json").json
    assert way["ondemand"] == cheapest[0]
    regions = line("accelerators", "L4:1", "--cloud", "gcp", "--all-regions", "--json").json["offers"]
    assert len({(way["ondemand"] or way["spot"])["region"] for way in regions}) == len(regions) > 10
    assert line("gpus", "list", "h100:8").out == line("accelerators", "H100:8").out == line("gpus", "H100:8").out
    assert line("gpus", "list", "a", "b").code == exits.BAD_INPUT
    assert line("accelerators", "T4", "--cloud", "lambda").code == exits.NO_PLAN


def test_a_dash_stands_for_what_no_datasheet_says(line: Line) -> None:
    text = line("accelerators", "Gaudi").out
    assert text.startswith("Gaudi: no datasheet figures are known here.")
    assert "Not known: dense bf16 TFLOPS" in line("accelerators", "K80").out
