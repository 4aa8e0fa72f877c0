"""A spec that its model does not fit: told by its reason, while what served before goes on serving."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer

# Runtime → task that the resolve Job finds, reason.
BARRED: dict[str, tuple[Mapping[str, Any], str, str]] = {
    "an engine without its image": ({"engine": "VLLM", "device": "GPU"}, "Chat", "EngineImageMissing"),
    "an engine for another task": ({"engine": "VLLM", "device": "GPU"}, "Embedding", "RuntimeMismatch"),
    "answers that are kept of a chat": ({"responseCache": {"size": "1Mi"}}, "Chat", "RuntimeMismatch"),
}


@pytest.mark.parametrize(("runtime", "task", "reason"), BARRED.values(), ids=BARRED.keys())
async def test_what_does_not_fit_is_told_and_begins_nothing(
    api: FakeApiServer, operator: Operator, runtime: Mapping[str, Any], task: str, reason: str
):
    serving = await cluster.serve(api, "s3://models/minilm")
    cluster.apply_model(api, "s3://models/other", runtime=runtime)
    await cluster.finish_resolve_job(api, digest="b", task=task)
    await until(lambda: cluster.condition(api, "Ready")["reason"] == reason, f"{reason} in status")
    assert cluster.condition(api, "Accepted")["status"] == cluster.condition(api, "Resolved")["status"] == "True"
    assert cluster.condition(api, "Progressing")["status"] == "False"
    assert cluster.condition(api, "Available")["status"] == "True"
    assert list(api.all(cluster.DEPLOYMENTS)) == [serving]
    assert cluster.replicas(api, serving) == 1


async def test_what_serves_is_scaled_while_the_newest_spec_does_not_fit(api: FakeApiServer, operator: Operator):
    serving = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 2, "runtime": {"engine": "VLLM", "device": "GPU"}}})
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "RuntimeMismatch", "the reason in status")
    await until(lambda: cluster.replicas(api, serving) == 2, "two replicas of what serves")


async def test_a_spec_that_fits_again_is_rolled_out(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "s3://models/minilm", runtime={"engine": "VLLM", "device": "GPU"})
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "RuntimeMismatch", "the reason in status")
    assert api.all(cluster.DEPLOYMENTS) == {}
    cluster.apply_model(api, "s3://models/minilm", runtime={"engine": "Torch", "device": "CPU"})
    cluster.make_ready(api, await cluster.appears(api, cluster.DEPLOYMENTS))
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
