from __future__ import annotations

import pytest

from tradewind.broker.clouds.gcp.notices import SOURCE, seconds_left


@pytest.mark.parametrize(
    ("status", "body", "left"),
    [
        (200, b"TRUE", 30.0),
        (200, b"TRUE\n", 30.0),
        (200, b"FALSE", None),
        (200, b"NONE", None),
        (200, b"MIGRATE_ON_HOST_MAINTENANCE", None),
        (200, b"TERMINATE_ON_HOST_MAINTENANCE", 3600.0),
        (404, b"TRUE", None),
        (503, b"", None),
    ],
)
def test_what_the_metadata_server_says(status, body, left) -> None:
    assert seconds_left(status, body, 0.0) == left


def test_the_parser_is_found_by_its_name() -> None:
    import importlib

    module, _, name = SOURCE.parser.partition(":")
    assert getattr(importlib.import_module(module), name) is seconds_left
