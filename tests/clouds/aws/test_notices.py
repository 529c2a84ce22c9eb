"""What the metadata service says of a reclaim, read."""

from __future__ import annotations

import importlib

from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.clouds.aws.notices import NOTICE_SOURCE, rebalance_advised, seconds_left

NOW = 1_763_625_600.0  # 2025-11-20T08:00:00Z


def test_the_documented_answers() -> None:
    body = b'{"action": "terminate", "time": "2025-11-20T08:02:00Z"}'
    assert seconds_left(200, body, NOW) == 120.0
    assert seconds_left(200, body, NOW + 500) == 0.0
    assert seconds_left(404, b"<html>Not Found</html>", NOW) is None
    assert seconds_left(200, b'{"action": "noaction", "time": "2025-11-20T08:02:00Z"}', NOW) is None
    assert rebalance_advised(200, b'{"noticeTime": "2025-11-20T08:02:00Z"}')
    assert not rebalance_advised(404, b"")


@given(status=st.sampled_from([200, 404, 500]), body=st.binary(max_size=80))
def test_anything_else_is_no_notice(status: int, body: bytes) -> None:
    assert seconds_left(status, body, NOW) is None
    assert isinstance(rebalance_advised(status, body), bool)


def test_the_source_names_this_parser() -> None:
    module, _, name = NOTICE_SOURCE.parser.partition(":")
    assert getattr(importlib.import_module(module), name) is seconds_left
