"""What is rendered is not touched by what encodes it: its parts are shared with snapshots that others are reading."""

import json

import pytest

from nereid_operator.plan.gateway_ir import Gateway
from nereid_operator.render.envoy.snapshot import snapshot
from nereid_operator.xds.encoding import NOTHING, encode
from tests.golden.gateways import GATEWAYS


@pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=GATEWAYS)
def test_encoding_changes_nothing_not_even_the_order(gateway: Gateway):
    resources = snapshot(gateway)
    before = json.dumps(resources)
    encoded = encode(resources, NOTHING)
    assert encoded.failures == {}
    assert json.dumps(resources) == before
