"""`nereid gateway dump`: what the operator publishes → the answer of its live API → words."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from nereid_operator.api.resources import Key
from nereid_operator.cli.dump import dumped
from nereid_operator.cli.gateway_model import GatewayDump
from nereid_operator.live_gateway import live_gateway
from nereid_operator.plan.gateway_ir import (
    Backend,
    Balancing,
    ContentRoute,
    Endpoint,
    GatewayModel,
    Health,
    Share,
)
from nereid_operator.routing import Routing, Taken

KEY = Key("default", "minilm")
GATEWAYS = ("nereid-system/nereid-gateway-a", "nereid-system/nereid-gateway-b")
MODEL = GatewayModel(
    namespace="default",
    name="minilm",
    names=("default.minilm", "minilm"),
    task="Embedding",
    backends=(
        Backend(
            "minilm-0a1b2c3d", (Endpoint("minilm-0a1b2c3d-x", "10.0.0.7"), Endpoint("minilm-0a1b2c3d-y", "10.0.0.8"))
        ),
    ),
    shares=(Share("minilm-0a1b2c3d", 100),),
    content_routes=(),
    balancing=Balancing.LEAST_REQUEST,
    balancing_header=None,
    timeout_seconds=60,
)
ROUTING = Routing(
    url="http://nereid-gateway.nereid-system.svc",
    names=MODEL.names,
    taken=None,
    answering=frozenset({"10.0.0.7", "10.0.0.8"}),
    gateways=GATEWAYS,
    behind=(),
    rejection="",
)
ROLLING_OUT = replace(
    MODEL,
    names=("default.minilm",),
    backends=(
        Backend(
            "minilm-0a1b2c3d",
            (
                Endpoint("minilm-0a1b2c3d-x", "10.0.0.7", Health.DRAINING),
                Endpoint("minilm-0a1b2c3d-y", "10.0.0.8", Health.UNHEALTHY),
            ),
        ),
        Backend("minilm-99999999", (Endpoint("minilm-99999999-z", "10.0.0.9"),)),
    ),
    shares=(Share("minilm-99999999", 100),),
    content_routes=(
        ContentRoute((), "/v1/embeddings", "minilm-0a1b2c3d"),
        ContentRoute((("x-a", "1"), ("x-b", "two words")), "/v1/models", "minilm-0a1b2c3d"),
    ),
    balancing=Balancing.STICKY_HEADER,
    balancing_header="x-session-id",
)

DUMPS: dict[str, tuple[GatewayModel | None, Routing]] = {
    "a model that serves": (MODEL, ROUTING),
    "one that rolls out and of which a gateway has not heard": (
        ROLLING_OUT,
        replace(
            ROUTING,
            names=("default.minilm",),
            taken=Taken("minilm", Key("team", "other")),
            behind=GATEWAYS[1:],
            rejection="Proto constraint validation failed",
        ),
    ),
    "one without replicas": (
        replace(MODEL, backends=(Backend("minilm-0a1b2c3d", ()),)),
        replace(ROUTING, gateways=()),
    ),
    "one that never served": (None, replace(ROUTING, names=("default.minilm",), behind=GATEWAYS)),
}


@pytest.mark.parametrize("name", DUMPS)
def test_what_the_gateway_does(golden: Callable[[str, str], None], name: str):
    model, routing = DUMPS[name]
    golden(f"dump/{name}", dumped(GatewayDump.model_validate(live_gateway(KEY, model, routing))))
