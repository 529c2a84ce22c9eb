"""What `plan --explain` adds."""

from __future__ import annotations

from tradewind.cli import explainpage
from tradewind.optimizer.sensitivity import Margin

from .test_planpage import AWS, candidate

RIVAL = candidate(AWS, "60% dearer")


def test_how_firm_a_choice_is() -> None:
    assert explainpage.firmness(Margin("a", 0.6, RIVAL, "")) == (
        "a: stays the choice until its price rises by 60.0%; then m6a.large at aws/us-east-1/use1-az1 (spot)."
    )
    assert explainpage.firmness(Margin("a", None, None, "")) == "a: nothing else could serve, whatever the price."
    assert explainpage.firmness(Margin("a", 0.1, None, "max_hourly_usd 2")) == (
        "a: stays the choice until its price rises by 10.0%; then max_hourly_usd 2 is reached."
    )
