"""Edits that come while a rollout is on its way, and what ends it in the middle."""

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer
from tests.handlers.test_life_of_a_model import Start


def _edit_batch(api: FakeApiServer, size: int, **spec: int) -> None:
    api.edit(cluster.MODELS, "minilm", {"spec": {"runtime": {"batching": {"maxBatchSize": size}}, **spec}})


async def test_three_quick_edits_and_back_again(api: FakeApiServer, operator: Operator):
    first = await cluster.serve(api, "s3://models/minilm")
    _edit_batch(api, 2)
    second = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=first)
    _edit_batch(api, 3)
    third = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=first, also_than=second)
    await until(lambda: second not in api.all(cluster.DEPLOYMENTS), "the edit in the middle to be gone")
    assert cluster.selected(api) == first.removeprefix("minilm-")

    _edit_batch(api, 8)
    await until(
        lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready at once, for the first still serves"
    )
    await until(lambda: cluster.replicas(api, third) == 0, "the third at zero")
    assert cluster.replicas(api, first) == 1
    assert len(api.all(cluster.JOBS)) == 1


async def test_replicas_that_change_together_with_the_runtime_are_for_the_new_revision(
    api: FakeApiServer, operator: Operator
):
    old = await cluster.serve(api, "s3://models/minilm")
    _edit_batch(api, 2, replicas=3)
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    assert cluster.replicas(api, new) == 3
    cluster.make_ready(api, new, ready=2)
    await until(lambda: cluster.model(api)["status"]["readyReplicas"] == 2, "two of three")
    assert (cluster.selected(api), cluster.replicas(api, old)) == (old.removeprefix("minilm-"), 1)
    assert cluster.condition(api, "Ready")["status"] == "False"
    cluster.make_ready(api, new, ready=3)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready with three")
    assert cluster.selected(api) == new.removeprefix("minilm-")


async def test_a_status_that_is_wiped_during_a_rollout_changes_nothing(api: FakeApiServer, operator: Operator):
    old = await cluster.serve(api, "s3://models/minilm")
    _edit_batch(api, 2)
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "Starting", "the rollout in status")
    before = cluster.model(api)["status"]
    cluster.wipe_status(api)
    await until(lambda: cluster.model(api).get("status", {}).get("revisions") == before["revisions"], "the revisions")
    assert cluster.model(api)["status"]["model"] == before["model"]
    assert (cluster.replicas(api, old), cluster.replicas(api, new)) == (1, 1)
    assert cluster.selected(api) == old.removeprefix("minilm-")


async def test_a_model_scaled_to_zero_comes_back(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 0}})
    await until(lambda: cluster.replicas(api, deployment) == 0, "no replicas")
    cluster.make_ready(api, deployment, ready=0)
    await until(lambda: cluster.condition(api, "Available")["reason"] == "ScaledToZero", "zero in status")
    assert cluster.condition(api, "Ready")["reason"] == "ScaledToZero"
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 1}})
    await until(lambda: cluster.replicas(api, deployment) == 1, "one replica")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "Starting", "no longer ScaledToZero")
    cluster.make_ready(api, deployment)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready again")


async def test_a_new_image_rolls_out_without_resolving_again(api: FakeApiServer, start: Start):
    async with start():
        old = await cluster.serve(api, "s3://models/minilm")
    status = cluster.model(api)["status"]
    async with start(image="nereid.dev/model-runtime:next"):
        new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
        await until(lambda: not api.all(cluster.JOBS), "the Job of the old image to be gone")
        cluster.make_ready(api, new)
        await until(lambda: cluster.replicas(api, old) == 0, "the old image at zero")
        await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
    assert cluster.model(api)["status"]["model"] == status["model"]
    assert not api.all(cluster.JOBS)


async def test_scaling_while_a_rollout_is_stuck_reaches_the_pods_that_serve(api: FakeApiServer, operator: Operator):
    old = await cluster.serve(api, "s3://models/minilm")
    _edit_batch(api, 2)
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 3}})
    await until(lambda: cluster.replicas(api, new) == 3, "the new one to be scaled")
    assert cluster.replicas(api, old) == 3
    assert cluster.selected(api) == old.removeprefix("minilm-")
