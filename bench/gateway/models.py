"""Gateways of many models, each with one replica at an address of loopback of its own."""

from dataclasses import replace

from nereid_operator.plan.gateway_ir import Backend, Balancing, Endpoint, Gateway, GatewayModel, Share

NAMESPACE = "bench"


def name(number: int) -> str:
    """Return the name by which clients call a model."""
    return f"{NAMESPACE}.model-{number}"


def address(number: int) -> str:
    """Return 127.1.0.0 and what follows: all of it is loopback."""
    return f"127.{1 + number // 65536}.{number // 256 % 256}.{number % 256}"


def model(number: int) -> GatewayModel:
    """Return one model."""
    backend = Backend(f"model-{number}-0", (Endpoint(f"model-{number}-0", address(number)),))
    return GatewayModel(
        namespace=NAMESPACE,
        name=f"model-{number}",
        names=(name(number),),
        task="Embedding",
        backends=(backend,),
        shares=(Share(backend.name, 100),),
        content_routes=(),
        balancing=Balancing.LEAST_REQUEST,
        balancing_header=None,
        timeout_seconds=60,
    )


def gateway(port: int, count: int) -> Gateway:
    """Return a gateway of so many models."""
    return Gateway(port, tuple(model(number) for number in range(count)))


def with_another(present: Gateway) -> Gateway:
    """Return the gateway with one model more."""
    return replace(present, models=(*present.models, model(len(present.models))))


def moved(present: Gateway, number: int, to: str) -> Gateway:
    """Return the gateway with the replica of a model at another address."""
    old = present.models[number]
    backends = tuple(replace(one, endpoints=(replace(one.endpoints[0], address=to),)) for one in old.backends)
    models = (*present.models[:number], replace(old, backends=backends), *present.models[number + 1 :])
    return replace(present, models=models)
