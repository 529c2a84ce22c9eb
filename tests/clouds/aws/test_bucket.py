"""A bucket of S3 as a place for checkpoints, with AWS's own library against moto over a socket."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

from clouds.fakes.aws.buckets import fake_s3
from tradewind.broker.bucket import BucketError
from tradewind.broker.provision.places import ABOUT, Places

URI = "s3://training/runs/digits"


@pytest.fixture
def places(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    with fake_s3("training") as endpoint:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        opened = Places(str(tmp_path))
        yield opened
        opened.close()


def test_files_there_and_back(places: Places, tmp_path: pathlib.Path) -> None:
    places.probe(URI)
    place = places.get(URI)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(9 << 20))  # more than one part
    place.upload(str(source), "rank-0/copies/1/big")
    place.write("rank-0/manifest.json", b"first")
    place.write("rank-0/manifest.json", b"second")
    assert place.download("rank-0/copies/1/big", str(target))
    assert target.read_bytes() == source.read_bytes()
    assert place.read("rank-0/manifest.json") == b"second"
    assert sorted(place.names("rank-0")) == ["rank-0/copies/1/big", "rank-0/manifest.json"]
    assert place.names("rank") == [], "a prefix is a folder"
    place.remove(place.names("rank-0"))
    assert place.names("rank-0") == []
    assert place.read("rank-0/manifest.json") is None
    assert not place.download("rank-0/copies/1/big", str(target))
    assert place.read(ABOUT) is not None
    with pytest.raises(FileNotFoundError):
        place.upload(str(tmp_path / "nowhere"), "x")


def test_refusals_say_what_to_do(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BucketError, match=r"s3://absent/x: .*NoSuchBucket.*aws s3 mb s3://absent"):
        places.probe("s3://absent/x")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(BucketError, match=r"NoCredentials\); log in: aws configure"):
        places.probe("s3://training/other")
