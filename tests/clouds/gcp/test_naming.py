from __future__ import annotations

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.clouds.gcp import naming

TEXT = st.text(max_size=120)
TAGS = st.dictionaries(st.text(min_size=1, max_size=80), TEXT, max_size=5)
NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")


@given(cluster=TEXT, tags=TAGS, instance_id=TEXT, tpu=st.booleans())
def test_names_are_legal_and_say_their_cluster(cluster, tags, instance_id, tpu) -> None:
    tag = naming.network_tag(cluster, tags, tpu=tpu)
    name = naming.instance_name(tag, instance_id)
    assert NAME.fullmatch(name)
    assert NAME.fullmatch(f"{tag}-closed")
    assert naming.tag_of(name) == tag
    assert naming.is_tpu(naming.provider_id("us-central1-a", name)) == tpu


@given(tags=TAGS)
def test_labels_are_legal_and_tags_read_back(tags) -> None:
    for key, value in naming.labels(tags).items():
        assert re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key)
        assert re.fullmatch(r"[a-z0-9_-]{0,63}", value)
    assert naming.read_tags(naming.write_tags(tags)) == tags


@given(one=TEXT, other=TEXT)
def test_different_ids_get_different_names_and_values(one, other) -> None:
    tag = naming.network_tag("c", {}, tpu=False)
    same = one == other
    assert (naming.instance_name(tag, one) == naming.instance_name(tag, other)) == same
    assert (naming.label_value(one) == naming.label_value(other)) == same
    assert (naming.request_id(one, "x") == naming.request_id(other, "x")) == same


def test_a_request_id_is_a_uuid_that_is_not_zero() -> None:
    assert uuid.UUID(naming.request_id("", "")).int != 0


def test_another_owner_gets_another_network() -> None:
    assert naming.network_tag("c", {"o": "1"}, tpu=False) != naming.network_tag("c", {"o": "2"}, tpu=False)


def test_foreign_names_have_no_tag() -> None:
    assert naming.tag_of("default-allow-ssh") == ""
    assert naming.tag_of("tw-nothing") == ""
    assert naming.read_tags("not ours") == {}
    assert naming.read_tags('{"a": 1}') == {}
