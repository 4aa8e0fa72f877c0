"""Whose the fields of a Deployment are, by the API server's own account: the replicas `nereid-scale`'s, no other."""

import pytest

from nereid_operator.api.resources import DEPLOYMENT, LABEL_MODEL, MODEL_DEPLOYMENT, Key
from nereid_operator.cache import Cache
from nereid_operator.writer import Writer
from tests.faults.apiserver import ApiServer, Object
from tests.faults.conftest import MakeStand

pytestmark = pytest.mark.e2e

REPLICAS = {"f:spec": {"f:replicas": {}}}


@pytest.fixture
async def api(make_stand: MakeStand) -> ApiServer:
    """A namespace with a ModelDeployment and no operator."""
    stand = await make_stand()
    await stand.api.apply("m", {"model": {"uri": "s3://models/minilm"}})
    return stand.api


@pytest.fixture
async def writer(api: ApiServer) -> Writer:
    owner = await api.get(MODEL_DEPLOYMENT, "m")
    assert owner is not None
    return Writer(Cache(), api.kube, Key(api.namespace, "m"), owner["metadata"]["uid"])


def _deployment(writer: Writer, **spec: object) -> Object:
    owner = {"apiVersion": MODEL_DEPLOYMENT.api_version, "kind": MODEL_DEPLOYMENT.kind, "name": "m", "controller": True}
    labels = {LABEL_MODEL: "m"}
    container = {"name": "triton", "image": "nereid.dev/model-runtime:test"}
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": {
            "name": "m-1",
            "namespace": writer.key.namespace,
            "labels": labels,
            "ownerReferences": [{**owner, "uid": writer.uid}],
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            **spec,
        },
    }


async def _live(api: ApiServer) -> Object:
    found = await api.get(DEPLOYMENT, "m-1")
    assert found is not None
    return found


def _held(live: Object, manager: str) -> list[Object]:
    """Return what a manager holds, in the API server's own notation."""
    return [entry["fieldsV1"] for entry in live["metadata"]["managedFields"] if entry["manager"] == manager]


@pytest.mark.parametrize("replicas", [0, 1, 3])
async def test_one_write_creates_a_deployment_with_its_replicas(api: ApiServer, writer: Writer, replicas: int):
    await writer.ensure_deployment(_deployment(writer), replicas=replicas)
    live = await _live(api)
    assert (live["spec"]["replicas"], live["metadata"]["generation"]) == (replicas, 1)
    assert {entry["operation"] for entry in live["metadata"]["managedFields"] if entry["manager"] == "nereid"} == {
        "Apply"
    }


@pytest.mark.parametrize("replicas", [0, 1, 3])
async def test_an_edit_keeps_the_replicas_and_removes_what_it_leaves_out(api: ApiServer, writer: Writer, replicas: int):
    await writer.ensure_deployment(_deployment(writer, minReadySeconds=5), replicas=replicas)
    await writer.ensure_deployment(_deployment(writer, revisionHistoryLimit=1), replicas=replicas)
    live = await _live(api)
    assert (live["spec"]["replicas"], live["spec"]["revisionHistoryLimit"]) == (replicas, 1)
    assert "minReadySeconds" not in live["spec"]
    assert _held(live, "nereid-scale") == [REPLICAS]
    assert all("f:replicas" not in held["f:spec"] for held in _held(live, "nereid"))


async def test_after_a_scale_and_edits_nereid_scale_holds_the_replicas_alone(api: ApiServer, writer: Writer):
    await writer.ensure_deployment(_deployment(writer, minReadySeconds=5), replicas=3)
    await writer.scale("m-1", 2)
    writer.cache.put(DEPLOYMENT, await _live(api))
    await writer.ensure_deployment(_deployment(writer, minReadySeconds=7), replicas=2)
    await writer.ensure_deployment(_deployment(writer, revisionHistoryLimit=1), replicas=2)
    live = await _live(api)
    assert (live["spec"]["replicas"], "minReadySeconds" in live["spec"]) == (2, False)
    assert _held(live, "nereid-scale") == [REPLICAS]
    assert all("f:replicas" not in held["f:spec"] for held in _held(live, "nereid"))
