"""The live API of a running operator: what it says of a model, and that it listens on the loopback address alone."""

import socket
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from nereid_operator.live_api import HOST, make_app
from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer


async def _get(operator: Operator, path: str) -> tuple[int, Any]:
    url = f"http://{HOST}:{operator.settings.live_port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


async def test_a_model_and_its_last_decisions(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    passes = await operator.passes()
    api.edit(cluster.PODS, f"{deployment}-0", {"metadata": {"annotations": {"touched": "1"}}})
    await operator.passes_beyond(passes)
    status, model = await _get(operator, "/v1/models/default/minilm")
    assert status == 200
    assert (model["namespace"], model["name"], model["ready"], model["reason"]) == (
        "default",
        "minilm",
        "True",
        "Ready",
    )
    replica = {"name": f"{deployment}-0", "revision": deployment.removeprefix("minilm-"), "phase": "Ready"}
    assert model["replicas"] == [replica | {"progress": None, "restarts": 0}]
    assert model["lastPass"]["result"] == "ok"
    assert model["decisions"][0]["reason"] == "Ready"
    assert "Resolving" in [decision["reason"] for decision in model["decisions"]]
    assert model["queue"]["state"] in {"Idle", "Later", "Waiting", "Running"}
    status, every = await _get(operator, "/v1/models")
    assert status == 200
    assert [(one["namespace"], one["name"]) for one in every["models"]] == [("default", "minilm")]


async def test_a_model_that_is_not_there(api: FakeApiServer, operator: Operator):
    await until(api.leader, "a leader")
    status, body = await _get(operator, "/v1/models/default/none")
    assert (status, body) == (404, {"error": "there is no ModelDeployment default/none"})


async def test_it_listens_on_the_loopback_address_alone(api: FakeApiServer, operator: Operator):
    """Bound to every address, the port would be taken on this other loopback address too."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", operator.settings.live_port))
    with socket.socket() as listener, pytest.raises(OSError, match="in use"):
        listener.bind((HOST, operator.settings.live_port))


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/default/minilm"])
async def test_a_follower_names_the_leader_and_says_nothing_else(path: str):
    view: Any = SimpleNamespace(election=SimpleNamespace(leading=False, holder_pod="nereid-operator-a"))
    async with TestClient(TestServer(make_app(view))) as client:
        answer = await client.get(path)
        assert answer.status == 503
        assert await answer.json() == {"error": "this operator does not lead", "leader": "nereid-operator-a"}
