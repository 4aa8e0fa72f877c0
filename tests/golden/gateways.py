"""The gateways whose snapshots are on file."""

from nereid_operator.plan.gateway_ir import (
    Backend,
    Balancing,
    Certificate,
    ContentRoute,
    Endpoint,
    Gateway,
    GatewayModel,
    Health,
    Limits,
    Share,
)

_PLAIN = GatewayModel(
    namespace="default",
    name="minilm",
    names=("default.minilm",),
    task="Embedding",
    backends=(Backend("minilm-0a1b2c3d", (Endpoint("minilm-0a1b2c3d-x", "10.0.0.1"),)),),
    shares=(Share("minilm-0a1b2c3d", 100),),
    content_routes=(),
    balancing=Balancing.LEAST_REQUEST,
    balancing_header=None,
    timeout_seconds=60,
)
# Two revisions by weight, the newer one for testers and for one path; sessions stick; long answers.
_ROLLING = GatewayModel(
    namespace="team-a",
    name="chat",
    names=("team-a.chat", "Chat_1.5"),
    task="Chat",
    backends=(
        Backend(
            "chat-11111111",
            (
                Endpoint("chat-11111111-a", "10.0.1.1"),
                Endpoint("chat-11111111-b", "10.0.1.2", Health.DRAINING),
                Endpoint("chat-11111111-c", "fd00::3", Health.UNHEALTHY, 10),
            ),
        ),
        Backend("chat-22222222", (Endpoint("chat-22222222-a", "10.0.1.4"),)),
    ),
    shares=(Share("chat-11111111", 90), Share("chat-22222222", 10)),
    content_routes=(
        ContentRoute((("x-tester", "yes"), ("x-cohort", 'a "quoted" \\ value')), None, "chat-22222222"),
        ContentRoute((), "/v1/completions", "chat-22222222"),
    ),
    balancing=Balancing.STICKY_HEADER,
    balancing_header="x-session",
    timeout_seconds=600,
)
_WAITING = GatewayModel(
    namespace="team-b",
    name="tensor",
    names=("team-b.tensor",),
    task="Tensor",
    backends=(),
    shares=(),
    content_routes=(),
    balancing=Balancing.ROUND_ROBIN,
    balancing_header=None,
    timeout_seconds=30,
)

GATEWAYS = {
    "no-models": Gateway(port=8080, models=()),
    "one-model": Gateway(port=8080, models=(_PLAIN,)),
    "every-kind": Gateway(
        port=8443,
        models=(_PLAIN, _ROLLING, _WAITING),
        limits=Limits(body_bytes=2**20, header_bytes=16 * 2**10, header_count=50, headers_seconds=5, idle_seconds=120),
        certificate=Certificate(chain="the chain in PEM\n", key="its key in PEM\n"),
    ),
}
