"""Real launches plan over the clouds that can be used from here, and say what cheaper was left out and what would let it in."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.azure.world import offer as azure_offer
from clouds.estate import OFFERS, Estate, open_estate
from clouds.shell import Shell, purchases
from tests.broker.nursery import Nursery
from tests.broker.real import until

WORDS = ("launch", "task.yaml", "-c", "mine")


@pytest.fixture
def estate(tmp_path: pathlib.Path, nursery: Nursery) -> Iterator[Estate]:
    with open_estate(tmp_path, None, nursery) as estate:
        (tmp_path / "task.yaml").write_text("resources: {use_spot: true}\nrun: echo hi\n")
        yield estate


def without(estate: Estate, *clouds: str) -> None:
    """A daemon of somebody who has logged in everywhere but there."""
    logins = {
        "aws": {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        "gcp": {"GOOGLE_APPLICATION_CREDENTIALS": ""},
    }
    estate.start(**{name: value for cloud in clouds for name, value in logins[cloud].items()})


def test_the_cheapest_that_can_be_bought_is_and_the_cheaper_ones_are_named(
    estate: Estate, tmp_path: pathlib.Path
) -> None:
    without(estate, "aws", "gcp")
    said = Shell(estate, tmp_path).types(*WORDS, "--catalog", estate.catalog, "-y", "-d")
    notes = [line for line in said.splitlines() if line.startswith("note: cheaper, and left out: ")]
    aws, gcp = notes
    assert f"{OFFERS[0].instance_type} at aws/us-east-1/use1-az1 (spot) for 0.03 USD/h" in aws
    assert "aws can't be used from here: no credentials here: aws configure" in aws
    assert "40% cheaper" in aws
    assert f"{OFFERS[1].instance_type} at gcp/us-central1/us-central1-a (spot) for 0.04 USD/h" in gcp
    assert "gcp can't be used from here: no credentials here: gcloud auth application-default login" in gcp
    until("it is bought at Azure", lambda: estate.azure.live() == 1, estate.daemon.log)
    assert "nothing of it is left" in Shell(estate, tmp_path).types("down", "mine", "-y")
    assert [*estate.aws.calls(), *estate.gcp.calls()] == [], "a cloud that is left out is not asked"
    assert purchases(estate) == 1


def test_somebody_at_a_terminal_reads_it_in_the_table_before_they_agree(estate: Estate, tmp_path: pathlib.Path) -> None:
    without(estate, "aws")
    asked = Shell(estate, tmp_path).starts(*WORDS, "--catalog", estate.catalog)
    asked.until("Buy ")
    asked.answers("n")
    code, said = asked.ends()
    assert code != 0
    (row,) = [line for line in said.splitlines() if line.startswith("  aws ")]
    assert "aws can't be used from here: no credentials here: aws configure; 25% cheaper" in row
    assert "note: cheaper" not in said, "once is enough"
    assert purchases(estate) == 0


def test_nothing_is_said_of_what_is_dearer(estate: Estate, tmp_path: pathlib.Path) -> None:
    estate.write_catalog((azure_offer(price_spot_usd_h=0.01), *OFFERS[:2]))
    without(estate, "aws", "gcp")
    said = Shell(estate, tmp_path).types(*WORDS, "--catalog", estate.catalog, "--dryrun")
    assert "left out" not in said
