"""What a submission says besides its task: secrets, moments."""

from __future__ import annotations

import datetime as dt

import click
import pytest

from tradewind.cli import submission


def test_secrets_come_from_the_environment_or_a_file_and_never_from_the_line(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TOKEN", "from-here")
    file = tmp_path / "key"
    file.write_text("from-file\n")
    given = submission.secret_values([f"KEY=@{file}", "TOKEN"])
    assert given == {"KEY": "from-file", "TOKEN": "from-here"}
    assert submission.with_environment(("KEY", "TOKEN"), {"KEY": "x"}) == {"KEY": "x", "TOKEN": "from-here"}
    for text, sentence in (
        ("TOKEN=abc", "can be read by others"),
        ("ABSENT", "is not set here"),
        ("KEY=@/nowhere", "No such file"),
    ):
        with pytest.raises(click.BadParameter, match=sentence) as caught:
            submission.secret_values([text])
        assert "abc" not in str(caught.value)


def test_moments() -> None:
    assert submission.moment("30m", 1000.0) == 2800.0
    assert submission.moment("1.5h", 0.0) == 5400.0
    expected = dt.datetime(2026, 1, 31, 18, 0, tzinfo=dt.UTC).timestamp()
    assert submission.moment("2026-01-31T18:00+00:00", 0.0) == expected
    with pytest.raises(click.BadParameter, match="is no moment"):
        submission.moment("soon", 0.0)
