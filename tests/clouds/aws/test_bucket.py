"""A bucket of S3 as a place for checkpoints, with AWS's own library against moto over a socket."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

from clouds.buckets import there_and_back
from clouds.fakes.aws.buckets import fake_s3
from tradewind.broker.bucket import BucketError
from tradewind.broker.provision.places import Places

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
    there_and_back(places, URI, tmp_path)


def test_refusals_say_what_to_do(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BucketError, match=r"s3://absent/x: .*NoSuchBucket.*aws s3 mb s3://absent"):
        places.probe("s3://absent/x")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(BucketError, match=r"NoCredentials\); log in: aws configure"):
        places.probe("s3://training/other")
