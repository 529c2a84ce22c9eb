"""Refusals are remembered across launches, by type, zone and market, over a restart of the daemon, until they have decayed."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from collections.abc import Iterator

import pytest

from clouds.estate import OFFERS, Estate, open_estate
from clouds.shell import Shell
from tests.broker.nursery import Nursery
from tests.broker.real import until

TASK = "resources: {use_spot: %s}\nrun: echo hi\n"


@pytest.fixture
def estate(tmp_path: pathlib.Path, nursery: Nursery) -> Iterator[Estate]:
    with open_estate(tmp_path, None, nursery) as estate:
        (tmp_path / "spot.yaml").write_text(TASK % "true")
        (tmp_path / "ondemand.yaml").write_text(TASK % "false")
        yield estate


def test_a_full_place_is_left_alone_until_its_refusal_has_decayed(estate: Estate, tmp_path: pathlib.Path) -> None:
    estate.aws.exhaust(estate.aws.request(offer=OFFERS[0], use_spot=True))
    shell = Shell(estate, tmp_path)

    def goes_to(client, file: str) -> str:
        shell.types("launch", file, "-c", "mine", "--catalog", estate.catalog, "-y", "-d")
        until("it is bought", lambda: estate.live() == 1, estate.daemon.log)
        cloud = str(client.get("/v1/clusters/mine")["cloud"])
        shell.types("down", "mine", "-y")
        return cloud

    client = estate.start()
    assert goes_to(client, "spot.yaml") == "gcp"
    asked = estate.aws.calls().count("ec2:RunInstances")
    assert asked >= 1
    assert "place refused" in shell.types("events", "mine")
    client.stop()
    estate.daemon.wait_dead()
    client = estate.start()
    assert goes_to(client, "spot.yaml") == "gcp"
    assert estate.aws.calls().count("ec2:RunInstances") == asked, "nobody asked again"
    assert goes_to(client, "ondemand.yaml") == "aws", "the other market is not full"
    client.stop()
    estate.daemon.wait_dead()
    estate.aws.account.faults.exhausted.clear()
    with contextlib.closing(sqlite3.connect(f"{estate.data_dir}/record.sqlite")) as record:
        record.execute("UPDATE blocks SET until_unix = until_unix - 86400")
        record.commit()
    assert goes_to(estate.start(), "spot.yaml") == "aws"
