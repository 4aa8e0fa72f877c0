"""Addresses and names of an embedded cluster."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.embedded.layout import InvalidNameError, make_layout

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True)


@given(NAMES)
def test_a_cluster_stays_inside_its_own_part_of_the_benchmarking_range(name):
    layout = make_layout(name, Path("/state"))
    parts = [layout.pods, layout.fake_pods, layout.services]
    assert layout.block.subnet_of(ipaddress.IPv4Network("198.18.0.0/15"))
    assert all(part.subnet_of(layout.block) for part in parts)
    assert not any(a.overlaps(b) for a in parts for b in parts if a is not b)
    ends = {ipaddress.IPv4Address(layout.host_address), ipaddress.IPv4Address(layout.node_address)}
    assert len(ends) == 2
    assert all(end in layout.block and not any(end in part for part in parts) for end in ends)
    assert len(layout.link) <= 15


def test_another_name_has_another_block():
    blocks = [make_layout(name, Path("/state")).block for name in ("nereid", "second")]
    assert not blocks[0].overlaps(blocks[1])


@pytest.mark.parametrize("name", ["", "Nereid", "a_b", "-a", "a" * 21, "../etc"])
def test_a_name_that_cannot_be_a_namespace_is_refused(name):
    with pytest.raises(InvalidNameError, match="cluster name"):
        make_layout(name, Path("/state"))
