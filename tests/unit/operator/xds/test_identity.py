"""Who is the gateway."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nereid_operator.xds.certificates import Certificates, Subjects, renewed
from nereid_operator.xds.identity import Peer, gateway_uri, refusal


def certificate(uri: str) -> bytes:
    pair = renewed(Certificates(), Subjects("server", uri), datetime.now(UTC)).client
    assert pair is not None
    return pair.certificate.encode()


GATEWAY = Peer(certificate(gateway_uri("prod")), "nereid-gateway", "prod/gateway-5f7")


def test_the_gateway_is_let_in():
    assert refusal(GATEWAY, "prod") is None


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (replace(GATEWAY, certificate=b""), "no URI"),
        (replace(GATEWAY, certificate=certificate(gateway_uri("prod2"))), "ns/prod2/gateway"),
        (replace(GATEWAY, certificate=certificate("spiffe://nereid.dev/ns/prod/gateway/x")), "gateway/x"),
        (replace(GATEWAY, node_cluster="other"), "node.cluster is 'other'"),
        (replace(GATEWAY, node_id="other/gateway-5f7"), "node.id is 'other/gateway-5f7'"),
        (replace(GATEWAY, node_id="prod"), "node.id is 'prod'"),
        (replace(GATEWAY, node_id="prod/"), "node.id is 'prod/'"),
        (replace(GATEWAY, node_id="prod2/gateway-5f7"), "node.id is 'prod2/gateway-5f7'"),
    ],
)
def test_others_are_told_what_is_wrong(peer, words):
    assert words in (refusal(peer, "prod") or "")
