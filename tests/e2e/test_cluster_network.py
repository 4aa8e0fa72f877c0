"""Two clusters whose names fall on the same addresses: the second is refused, and the first keeps its network."""

import os
from pathlib import Path

import pytest

from tests.cluster.embedded.layout import make_layout
from tests.cluster.embedded.network import make_network, network_names, remove_network
from tests.cluster.errors import ClusterError

pytestmark = pytest.mark.e2e


@pytest.fixture
def first_and_second(tmp_path: Path):
    """Two layouts with one block of addresses, which no cluster of this machine has."""
    taken = {make_layout(name, tmp_path).slot for name in network_names()}
    layouts = [make_layout(f"n{os.getpid()}-{index}", tmp_path) for index in range(100)]
    first = next(layout for layout in layouts if layout.slot not in taken)
    second = next(layout for layout in layouts if layout.slot == first.slot and layout != first)
    yield first, second
    remove_network(second)
    remove_network(first)


def test_a_second_cluster_on_the_same_addresses_harms_nothing(first_and_second):
    first, second = first_and_second
    make_network(first)
    with pytest.raises(ClusterError, match=f"cluster {first.name}'s"):
        make_network(second)
    remove_network(second)
    make_network(first)
    assert Path(f"/sys/class/net/{first.link}").exists()
    assert second.name not in network_names()


def test_nothing_is_left_of_a_network_that_was_removed(first_and_second):
    first, _ = first_and_second
    make_network(first)
    remove_network(first)
    assert not Path(f"/sys/class/net/{first.link}").exists()
    assert first.name not in network_names()
