from __future__ import annotations

import pickle

import msgspec

from tests.catalog.shelves import offer
from tradewind.catalog import Offer


def test_an_offer_travels() -> None:
    one = offer(price_spot_usd_h=0.5, spot_risk_per_h=0.1)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Offer) == one
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(one) == hash(offer(price_spot_usd_h=0.5, spot_risk_per_h=0.1))
