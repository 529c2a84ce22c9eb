"""A managed job's bill as text."""

from __future__ import annotations

from tradewind.cli import billpage

BILL = {
    "spent_usd": 0.00025,
    "node_hours": 0.027,
    "rehearsed": True,
    "instances": [
        {"place": "gcp/us-west4/us-west4-a e2-standard-2 (spot)", "price_usd_h": 0.009088, "seconds": 20.4, "running": False, "usd": 0.00005},
        {"place": "gcp/us-west4/us-west4-b e2-standard-2 (spot)", "price_usd_h": 0.009088, "seconds": 80.0, "running": True, "usd": 0.0002},
    ],
    "comparisons": [
        {"how": "on demand", "place": "gcp/us-west4/us-west4-b/e2-standard-2", "node_usd_h": 0.075, "usd": 0.002},
        {"how": "spot", "place": "gcp/us-west4/us-west4-b/e2-standard-2", "node_usd_h": 0.009088, "usd": 0.00025},
        {"how": "cheapest on gcp", "place": "gcp/us-west4/us-west4-b/e2-standard-2", "node_usd_h": 0.009088, "usd": 0.00025},
        {"how": "cheapest on lambda", "place": "lambda/asia/cpu_4x", "node_usd_h": 0.2, "usd": 0.0055},
    ],
}  # fmt: skip


def test_the_page_sums_and_compares() -> None:
    text = billpage.page(BILL, limit=None)
    assert "gcp/us-west4-a e2-standard-2 (spot)  0.009088" in text
    assert "1 min 20 s so far" in text
    assert "in all: 0.0002500 USD at catalog prices; rehearsed, so nothing was paid" in text
    assert "97 node-seconds, bought otherwise" in text


def test_comparisons_are_cheapest_first_and_each_place_and_price_once() -> None:
    assert [c["how"] for c in billpage.elsewhere(BILL)] == ["spot", "on demand", "cheapest on lambda"]
    assert billpage.page(BILL, limit=None).split("\n")[-1].endswith("22.0x")


def test_real_money_is_not_called_rehearsed() -> None:
    assert billpage.spent({**BILL, "rehearsed": False}) == "0.0002500 USD"


def test_nothing_bought_is_no_comparison() -> None:
    empty = {"spent_usd": 0.0, "node_hours": 0.0, "rehearsed": False, "instances": [], "comparisons": []}
    assert billpage.page(empty, limit=80).split("\n")[-1] == "in all: 0.0000000 USD"
