"""`tradewind explain-error`: what failover makes of a cloud's code."""

from __future__ import annotations

import json

import pytest

from tradewind.cli.main import run


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("InsufficientInstanceCapacity", ("aws: InsufficientInstanceCapacity is about capacity.", "this machine type in that zone and market for 10 minutes")),
        ("Server.SpotInstanceTermination", ("capacity",)),
        ("ZONE_RESOURCE_POOL_EXHAUSTED", ("gcp: ZONE_RESOURCE_POOL_EXHAUSTED is about capacity.",)),
        ("SkuNotAvailable", ("azure: SkuNotAvailable is about",)),
        ("HostKeyChanged", ("HostKeyChanged",)),
        ("OptInRequired", ("everything in that region for 1 day", "what to do: enable the region", "source: ")),
    ],
)  # fmt: skip
def test_what_a_code_means(code: str, said: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain-error", code]) == 0
    out = capsys.readouterr().out
    for words in said:
        assert words in out


def test_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain-error", "InsufficientInstanceCapacity", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["aws"]
    assert (told["kind"], told["scope"], told["seconds"]) == ("capacity", "type", 600.0)


def test_an_unknown_code_is_named_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain-error", "Nonsense"]) == 1
    assert "no table knows the code Nonsense" in capsys.readouterr().err
