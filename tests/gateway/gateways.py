"""Gateways of tests: models as the operator would derive them, and a real Envoy before stand-ins."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from nereid_operator.plan.gateway_ir import Backend, Balancing, Endpoint, Gateway, GatewayModel, Share
from nereid_operator.render.envoy.snapshot import snapshot
from tests.gateway.replicas import Replica, replica
from tests.stack.ports import free_port
from tests.stack.static_envoy import Places, RunningEnvoy, running_envoy

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/classify")


def model(name: str, *addresses: str, **fields: Any) -> GatewayModel:
    """Return a model of one revision in the namespace `team`, with fields as the test wants them."""
    values: dict[str, Any] = {
        "namespace": "team",
        "name": name,
        "names": (f"team.{name}",),
        "task": "Chat",
        "backends": (backend(f"{name}-1", *addresses),),
        "shares": (Share(f"{name}-1", 100),),
        "content_routes": (),
        "balancing": Balancing.LEAST_REQUEST,
        "balancing_header": None,
        "timeout_seconds": 60,
    }
    return GatewayModel(**(values | fields))


def backend(name: str, *addresses: str) -> Backend:
    """Return a revision with healthy replicas."""
    return Backend(name, tuple(Endpoint(f"{name}-{number}", address) for number, address in enumerate(addresses)))


def gateway(*models: GatewayModel, **fields: Any) -> Gateway:
    """Return a gateway on a free port."""
    return Gateway(port=free_port(), models=models, **fields)


@dataclass(frozen=True, slots=True)
class Stand:
    """A running gateway with its replicas by address."""

    gateway: Gateway
    envoy: RunningEnvoy
    replicas: dict[str, Replica]
    places: Places

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    def change(self, changed: Gateway) -> None:
        """Tell Envoy of other endpoints or another certificate."""
        self.envoy.tell(snapshot(changed), self.places)

    def ask(self, name: str, path: str = PATHS[0], **headers: str) -> httpx.Response:
        """Send a request for a model over a connection of its own."""
        return httpx.post(f"{self.url}{path}", json={"model": name}, headers=headers, timeout=30)


@contextmanager
def standing(made: Gateway, folder: Path, real: Places | None = None) -> Iterator[Stand]:
    """Run a gateway until the block ends: before real servers where there are any, else before stand-ins."""
    with ExitStack() as stack:
        addresses = () if real else _addresses(made)
        replicas = {address: stack.enter_context(replica(address)) for address in addresses}
        places = real or {at: place for one in replicas.values() for at, place in one.places.items()}
        envoy = stack.enter_context(running_envoy(snapshot(made), folder, places))
        yield Stand(made, envoy, replicas, places)


def _addresses(made: Gateway) -> list[str]:
    models = made.models
    return [endpoint.address for one in models for backend in one.backends for endpoint in backend.endpoints]
