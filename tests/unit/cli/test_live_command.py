"""`nereid status --live` as a whole: from the operator's Deployment and Lease through a port-forward to its numbers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from nereid_operator.api.resources import Key
from nereid_operator.live_gateway import live_gateway
from nereid_operator.routing import Routing
from tests.unit.cli.servers import ApiServer, serving
from tests.unit.cli.shell import Shell, against

DEPLOYMENTS = "/apis/apps/v1/deployments"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/nereid-system/leases/nereid"
FORWARD = "/api/v1/namespaces/nereid-system/pods/nereid-7c9d/portforward"
IDLE = {"state": "Idle", "seconds": 0.0, "failures": 0}


def _operator(**environ: str) -> dict[str, Any]:
    told = {"NEREID_MODEL_RUNTIME_IMAGE": "example.com/runtime:7", "NEREID_LEASE_NAME": "nereid", **environ}
    container = {"env": [{"name": name, "value": value} for name, value in told.items()]}
    spec = {"template": {"spec": {"containers": [container]}}}
    return {"items": [{"metadata": {"name": "nereid", "namespace": "nereid-system"}, "spec": spec}]}


def _objects(**more: Any) -> dict[str, Any]:
    lease = {"spec": {"holderIdentity": "nereid-7c9d_0a1b2c3d"}}
    return {DEPLOYMENTS: _operator(NEREID_LIVE_PORT="8081"), LEASE: lease, **more}


def _model(name: str, namespace: str = "default") -> dict[str, Any]:
    found = {"ready": "True", "reason": "Ready", "queue": IDLE, "lastPass": None, "decisions": []}
    pod = {"name": f"{name}-0-x", "revision": "0", "phase": "Ready", "restarts": 0, "progress": None}
    return {"namespace": namespace, "name": name, "replicas": [pod], **found}


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"models": [_model("minilm"), _model("other", "team")]})


async def _one(request: web.Request) -> web.Response:
    return web.json_response(_model(request.match_info["name"], request.match_info["namespace"]))


async def _routed(request: web.Request) -> web.Response:
    key = Key(request.match_info["namespace"], request.match_info["name"])
    routing = Routing(
        url="http://g", names=("a",), taken=None, answering=frozenset(), gateways=(), behind=(), rejection=""
    )
    return web.json_response(live_gateway(key, None, routing))


@asynccontextmanager
async def _leading(folder: Path) -> AsyncIterator[tuple[Shell, ApiServer]]:
    """Give a shell, and its API server behind which an operator leads."""
    routes = (
        web.get("/v1/models", _models),
        web.get("/v1/models/{namespace}/{name}", _one),
        web.get("/v1/gateway/{namespace}/{name}", _routed),
    )
    async with serving(*routes) as port:
        server = ApiServer(_objects(), forward_to=port)
        async with against(server, folder) as shell:
            yield shell, server


async def test_the_leaders_pod_is_asked_by_a_port_forward_and_nothing_is_written(tmp_path: Path):
    async with _leading(tmp_path) as (shell, server):
        code, out, errors = await shell.run("status", "--live")
    assert (code, errors) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "minilm"]
    assert f"GET {FORWARD}?ports=8081" in server.requests
    assert all(request.startswith("GET ") for request in server.requests)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("minilm",), "Name:        default/minilm"),
        (("minilm", "-n", "team"), "Name:        team/minilm"),
        (("-A",), "\nteam        other"),
        (("-n", "empty"), "No ModelDeployment in namespace empty.\n"),
    ],
    ids=["one", "one of another namespace", "those of all namespaces", "none"],
)
async def test_the_models_that_are_shown(tmp_path: Path, arguments: tuple[str, ...], words: str):
    async with _leading(tmp_path) as (shell, _):
        code, out, errors = await shell.run("status", "--live", *arguments)
    assert (code, errors) == (0, "")
    assert words in out


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("minilm",), "default/minilm"),
        (("minilm", "-n", "team"), "team/minilm"),
        (("team/minilm",), "team/minilm"),
    ],
    ids=["one", "one of another namespace", "one by its whole name"],
)
async def test_the_gateway_is_told_of_by_the_leader(tmp_path: Path, arguments: tuple[str, ...], name: str):
    async with _leading(tmp_path) as (shell, server):
        code, out, errors = await shell.run("gateway", "dump", *arguments)
    assert (code, errors) == (0, "")
    assert out.splitlines()[0].split() == ["Name:", name]
    assert f"GET {FORWARD}?ports=8081" in server.requests


@pytest.mark.parametrize(
    "arguments", [(), ("dump",), ("restart", "minilm")], ids=["no topic", "no model", "another topic"]
)
async def test_a_gateway_command_that_cannot_be_used(tmp_path: Path, arguments: tuple[str, ...]):
    async with against(ApiServer({}), tmp_path) as shell:
        code, out, errors = await shell.run("gateway", *arguments)
    assert (code, out) == (2, "")
    assert "nereid gateway" in errors


NOBODY = (
    "no operator leads: nobody holds the Lease nereid; "
    "kubectl get pods -n nereid-system -l app.kubernetes.io/name=nereid-operator says how they are"
)
OLD = "the operator in namespace nereid-system gives no live numbers: it is of an older version, or NEREID_LIVE_PORT"
NO_WAY = "no connection to pod nereid-7c9d through the API server: Handshake status"
REFUSED: dict[str, tuple[dict[str, Any], dict[str, int], str]] = {
    "no operator": (_objects(**{DEPLOYMENTS: {"items": []}}), {}, "no operator of Nereid was found in the cluster"),
    "an operator from before there were live numbers": (_objects(**{DEPLOYMENTS: _operator()}), {}, OLD),
    "an operator whose live numbers are off": (
        _objects(**{DEPLOYMENTS: _operator(NEREID_LIVE_PORT="0")}),
        {},
        OLD,
    ),
    "a Lease that was given up": (_objects(**{LEASE: {"spec": {"holderIdentity": ""}}}), {}, NOBODY),
    "no Lease": ({DEPLOYMENTS: _operator(NEREID_LIVE_PORT="8081")}, {}, NOBODY),
    "a user who may not read the Lease": (_objects(), {LEASE: 403}, f"{LEASE} is forbidden to this user"),
    "a user who may not forward ports": (
        _objects(),
        {FORWARD: 403},
        f"{NO_WAY} 403 Forbidden (this user needs get and create on pods/portforward in namespace nereid-system)",
    ),
    "a leader whose pod is gone": (
        _objects(),
        {FORWARD: 404},
        f"{NO_WAY} 404 Not Found (there is no such pod in namespace nereid-system)",
    ),
}


@pytest.mark.parametrize(("objects", "refused", "words"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_stands_in_the_way_is_one_line(
    tmp_path: Path, objects: dict[str, Any], refused: dict[str, int], words: str
):
    async with against(ApiServer(objects, refused=refused), tmp_path) as shell:
        code, out, errors = await shell.run("status", "--live")
    assert (code, out) == (1, "")
    assert errors.startswith(f"nereid: {words}")
    assert errors.count("\n") == 1
