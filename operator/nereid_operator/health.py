"""The operator's HTTP endpoint: /healthz, /readyz and /metrics. Started by __main__, asked by kubelet and Prometheus.

/healthz  200 while the loops make their rounds: the election's, and a leader's work queue. Loss of the API server is
          no reason to restart
/readyz   200 once everything was listed for the first time and while the API server answers; a follower is ready too
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

# Answers take milliseconds; the end of the process shall not wait for a client that reads slowly.
SHUTDOWN_SECONDS = 1.0

Handler = Callable[[web.Request], Awaitable[web.Response]]


def make_app(*, alive: Callable[[], bool], ready: Callable[[], bool], registry: CollectorRegistry) -> web.Application:
    """Return the application; `alive` and `ready` are asked on each request."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    app = web.Application()
    app.router.add_get("/healthz", _verdict(alive, no="a loop of the operator makes no progress"))
    app.router.add_get(
        "/readyz", _verdict(ready, no="objects are still being listed, or the API server does not answer")
    )
    app.router.add_get("/metrics", metrics)
    return app


def _verdict(question: Callable[[], bool], *, no: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if question() else web.Response(status=503, text=f"{no}\n")

    return answer


async def serve(app: web.Application, port: int, host: str | None = None) -> web.AppRunner:
    """Listen, by default on all addresses of the pod; the runner is to be cleaned up."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
