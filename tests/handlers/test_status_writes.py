"""Figures of single pods: written once for many changes, and the last one is not lost."""

from nereid_operator import spam_filter
from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer

BURST = 10
EVENTS = "v1/events"


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


async def test_a_replica_that_flaps_does_not_fill_the_namespace_with_events(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    before = len(api.all(EVENTS))
    for change in range(2 * spam_filter.BURST):
        wanted = "True" if change % 2 else "False"
        cluster.make_ready(api, deployment, ready=change % 2)
        await until(lambda wanted=wanted: cluster.condition(api, "Ready")["status"] == wanted, f"Ready={wanted}")
    assert 0 < len(api.all(EVENTS)) - before < spam_filter.BURST
