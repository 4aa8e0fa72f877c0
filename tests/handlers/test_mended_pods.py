"""What befell a pod is told by the reason that its container left, and forgotten once kubelet's next try succeeds."""

import json

import pytest

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer

# Reason and exit code of `prepare`.
ENDS = {
    "a flipped byte": ("DigestMismatch", 3),
    "a truncated file": ("SourceTruncated", 1),
    "a file that is gone": ("SourceNotFound", 3),
    "a token that is refused": ("SourceUnauthorized", 3),
    "a disk that is full": ("InsufficientDisk", 1),
    "a connection that is cut": ("ConnectionCut", 1),
    "a host that hangs": ("SourceTimeout", 1),
    "a slow drip": ("SourceTooSlow", 1),
}


@pytest.mark.parametrize(("reason", "exit_code"), ENDS.values(), ids=ENDS.keys())
async def test_a_fetch_that_failed_is_told_until_the_next_one_succeeds(
    api: FakeApiServer, operator: Operator, reason: str, exit_code: int
):
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.finish_resolve_job(api, digest="a")
    deployment = await cluster.appears(api, cluster.DEPLOYMENTS)
    cluster.fail_prepare(api, deployment, exit_code=exit_code, reason=reason, message="model.safetensors: in words")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == reason, f"{reason} in status")
    assert "model.safetensors: in words" in cluster.condition(api, "Ready")["message"]
    before = cluster.model(api)["metadata"]

    cluster.make_ready(api, deployment)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
    after = cluster.model(api)["metadata"]
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
    assert reason not in json.dumps(cluster.model(api)["status"]["conditions"])


async def test_an_engine_that_died_is_told_until_it_serves_again(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    cluster.kill_engine(api, deployment, message="RuntimeError in step 812")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "EngineDied", "EngineDied in status")
    assert cluster.condition(api, "Ready")["message"] == "RuntimeError in step 812"
    assert cluster.condition(api, "Available")["status"] == "False"
    (state,) = cluster.model(api)["status"]["replicaStates"]
    assert (state["reason"], state["message"]) == ("EngineDied", "RuntimeError in step 812")
    assert state["lastCrash"] == "triton ended with exit code 137 (EngineDied: RuntimeError in step 812)"

    def events() -> list[str]:
        return [one["message"] for one in api.all("v1/events").values() if one["reason"] == "EngineDied"]

    await until(events, "the Event")
    assert events() == ["RuntimeError in step 812"]

    cluster.make_ready(api, deployment)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
