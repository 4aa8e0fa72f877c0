"""The operator's live numbers over HTTP, on 127.0.0.1 alone: reached by `kubectl port-forward`, so that RBAC decides.

Started by __main__. docs/api.md describes the answers; live.py makes them. A follower answers 503 and names the leader.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from nereid_operator.api.resources import Body, Key
from nereid_operator.cache import Cache
from nereid_operator.duty import Duty
from nereid_operator.election import Election
from nereid_operator.fetches import Fetches
from nereid_operator.journal import Journal
from nereid_operator.live import live_model
from nereid_operator.live_gateway import live_gateway
from nereid_operator.publisher import Publisher

HOST = "127.0.0.1"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class LiveView:
    """Reads the parts of a running operator; `clock` is the one of the queue, `publisher` None without a gateway."""

    cache: Cache
    duty: Duty
    election: Election
    fetches: Fetches
    journal: Journal
    publisher: Publisher | None
    clock: Callable[[], float]

    def models(self) -> list[dict[str, Any]]:
        """Return every model, by namespace and name."""
        bodies = {_key(body): body for body in self.cache.model_deployments()}
        return [self._model(key, bodies[key]) for key in sorted(bodies)]

    def model(self, key: Key) -> dict[str, Any] | None:
        """Return one model; None when there is none of that name."""
        body = self.cache.model_deployment(key)
        return None if body is None else self._model(key, body)

    def gateway(self, key: Key) -> dict[str, Any] | None:
        """Return how clients reach one model; None when there is none of that name, or no gateway."""
        if self.publisher is None or self.cache.model_deployment(key) is None:
            return None
        return live_gateway(key, self.publisher.model(key), self.publisher.routing(key))

    def _model(self, key: Key, body: Body) -> dict[str, Any]:
        return live_model(
            key,
            body,
            pods=[replace(pod, fetch=self.fetches.of(pod)) for pod in self.cache.pods(key)],
            queue=self.duty.key_state(key, now=self.clock()),
            latest=self.journal.latest(key),
            decisions=self.journal.decisions(key),
        )


def make_app(view: LiveView) -> web.Application:
    """Return the application."""

    @web.middleware
    async def leader_only(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not view.election.leading:
            leader = view.election.holder_pod
            return web.json_response({"error": "this operator does not lead", "leader": leader or None}, status=503)
        return await handler(request)

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"models": view.models()})

    async def model(request: web.Request) -> web.Response:
        key = Key(request.match_info["namespace"], request.match_info["name"])
        found = view.model(key)
        if found is None:
            return web.json_response({"error": f"there is no ModelDeployment {key}"}, status=404)
        return web.json_response(found)

    async def gateway(request: web.Request) -> web.Response:
        key = Key(request.match_info["namespace"], request.match_info["name"])
        if view.publisher is None:
            return web.json_response({"error": "there is no gateway: gateway.enabled of the chart is off"}, status=404)
        found = view.gateway(key)
        if found is None:
            return web.json_response({"error": f"there is no ModelDeployment {key}"}, status=404)
        return web.json_response(found)

    app = web.Application(middlewares=[leader_only])
    app.router.add_get("/v1/models", models)
    app.router.add_get("/v1/models/{namespace}/{name}", model)
    app.router.add_get("/v1/gateway/{namespace}/{name}", gateway)
    return app


def _key(body: Body) -> Key:
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])
