"""The network that machines on this computer get: private, nobody else's, the same one each time."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.clouds.local.network import MOST_MACHINES, bridge_name, choose_network, tag_of
from tradewind.broker.provider import ProviderError

tags = st.text("0123456789abcdef", min_size=8, max_size=8)
networks = st.builds(
    lambda address, prefix: str(ipaddress.ip_network((address, prefix), strict=False)),
    st.integers(0, 2**32 - 1),
    st.integers(10, 32),
)


@given(tags, st.lists(networks, max_size=20))
def test_it_overlaps_nothing_that_is_routed(tag: str, routed: list[str]) -> None:
    try:
        chosen = choose_network(tag, routed)
    except ProviderError:
        return
    subnet = ipaddress.ip_network(chosen.subnet)
    assert subnet.is_private
    assert not any(subnet.overlaps(ipaddress.ip_network(one)) for one in routed)
    assert chosen == choose_network(tag, routed)
    addresses = [chosen.address(number) for number in range(MOST_MACHINES + 1)]
    assert len(set(addresses)) == MOST_MACHINES + 1
    assert all(ipaddress.ip_address(one) in subnet for one in addresses)
    assert subnet.broadcast_address not in map(ipaddress.ip_address, addresses)


@given(tags)
def test_names_fit_the_kernel_and_lead_back(tag: str) -> None:
    assert len(bridge_name(tag)) <= 15
    assert len(f"v{tag}-{MOST_MACHINES}") <= 15
    assert tag_of(bridge_name(tag)) == tag


def test_no_room_is_said_in_one_sentence() -> None:
    with pytest.raises(ProviderError, match="no private network is free"):
        choose_network("0" * 8, ["10.0.0.0/8"])
