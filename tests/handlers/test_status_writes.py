"""Figures of single pods: written once for many changes, and the last one is not lost."""

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer

BURST = 10


def _state(api: FakeApiServer) -> dict[str, object]:
    states = cluster.model(api)["status"].get("replicaStates", [])
    return dict(states[0]) if states else {}


async def test_many_changes_of_a_figure_are_one_write_and_the_last_one_arrives(api: FakeApiServer, operator: Operator):
    await cluster.serve(api, "s3://models/minilm")
    await until(lambda: _state(api).get("phase") == "Ready", "the state of the replica")
    pod, passes = next(name for name in api.all(cluster.PODS) if "resolve" not in name), await operator.passes()
    api.writes.clear()
    for restarts in range(1, BURST + 1):
        crash = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
        triton = {"name": "triton", "ready": True, "restartCount": restarts, "lastState": crash}
        api.edit(cluster.PODS, pod, {"status": {"containerStatuses": [triton]}})
        passes = await operator.passes_beyond(passes)
    await until(lambda: _state(api).get("restarts") == BURST, "the last figure")
    assert _state(api)["lastCrash"] == "triton ended with exit code 137 (OOMKilled)"
    assert len(api.writes) <= 2
    assert cluster.condition(api, "Ready")["status"] == "True"
