"""What the operator writes of egress is what `model_runtime` reads: the two share a file, and no code."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from model_runtime.errors import EgressRefused
from model_runtime.fetch.egress import Destination, Egress, read_egress
from nereid_operator.api.policy_validation import read_policy
from nereid_operator.plan.ir import Image, Owner, Platform, Proxy
from nereid_operator.plan.limits import limits
from nereid_operator.render.egress import egress_config_map

OWNER = Owner("minilm", "default", "uid")
POLICIES: tuple[dict[str, Any], ...] = (
    {"allowedHosts": ["huggingface.co", "*.hf.co", "192.0.2.7"], "allowedCIDRs": ["0.0.0.0/0", "10.0.0.0/8"]},
    {"allowedCIDRs": ["10.20.0.0/16", "203.0.113.0/24", "2001:db8::/32"]},
)


def _read(folder: Path, *specs: dict[str, Any], proxy: Proxy | None = None) -> Egress:
    """Return what the commands make of the policies, through the ConfigMap."""
    policies = [read_policy({"metadata": {"name": f"p{index}"}, "spec": spec}) for index, spec in enumerate(specs)]
    egress = limits(policies).narrowed(Platform(Image("image", "IfNotPresent"), proxy=proxy)).egress
    assert egress is not None
    (name, text), *more = egress_config_map(OWNER, egress)["data"].items()
    assert not more
    (folder / name).write_text(text)
    return read_egress(folder / name, {})


def test_lists_of_hosts_and_common_networks_are_read_as_they_were_meant(tmp_path: Path):
    read = _read(tmp_path, *POLICIES)
    assert read.host_lists == (("huggingface.co", "*.hf.co", "192.0.2.7"),)
    assert read.networks == (ip_network("10.20.0.0/16"), ip_network("203.0.113.0/24"))
    read.check_host("cdn-lfs.hf.co")
    read.check_address(ip_address("10.20.0.7"), "mirror")
    with pytest.raises(EgressRefused):
        read.check_address(ip_address("10.21.0.7"), "other")


def test_a_proxy_alone_leaves_hosts_and_networks_as_they_are_without_policies(tmp_path: Path):
    read = _read(tmp_path, proxy=Proxy("http://proxy.example.com:3128", "http://10.0.0.9/", None))
    assert read.proxies == {Destination("proxy.example.com", 3128), Destination("10.0.0.9", 80)}
    assert (read.host_lists, read.networks) == ((), None)


def test_lists_that_allow_nothing_are_told_from_none(tmp_path: Path):
    read = _read(tmp_path, {"allowedHosts": [], "allowedCIDRs": []})
    assert (read.host_lists, read.networks) == (((),), ())
