"""The annotation nereid.dev/refresh asks what a moving revision is now, and what serves goes on serving meanwhile."""

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer


def _annotate(api: FakeApiServer, value: str) -> None:
    api.edit(cluster.MODELS, "minilm", {"metadata": {"annotations": {"nereid.dev/refresh": value}}})


def _resolved(api: FakeApiServer) -> str:
    reason: str = cluster.condition(api, "Resolved")["reason"]
    return reason


async def test_the_same_answer_makes_no_revision_and_touches_no_pod(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "hf://org/minilm")
    before = api.all(cluster.DEPLOYMENTS)[deployment]
    first = next(iter(api.all(cluster.JOBS)))
    _annotate(api, "monday")
    await until(lambda: _resolved(api) == "Refreshing", "the refresh in status")
    assert first not in api.all(cluster.JOBS)
    assert cluster.condition(api, "Resolved")["status"] == cluster.condition(api, "Ready")["status"] == "True"

    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.model(api)["status"]["model"].get("refreshHash"), "the answer in status")
    assert _resolved(api) == "Resolved"
    assert api.all(cluster.DEPLOYMENTS) == {deployment: before}
    assert len(api.all(cluster.JOBS)) == 1


async def test_another_digest_rolls_out(api: FakeApiServer, operator: Operator):
    old = await cluster.serve(api, "hf://org/minilm")
    _annotate(api, "monday")
    await cluster.finish_resolve_job(api, digest="b")
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    assert cluster.selected(api) == old.removeprefix("minilm-")
    cluster.make_ready(api, new)
    await until(lambda: cluster.selected(api) == new.removeprefix("minilm-"), "the new digest to serve")
    await until(lambda: cluster.replicas(api, old) == 0, "the old one at zero")


async def test_every_new_value_asks_again(api: FakeApiServer, operator: Operator):
    await cluster.serve(api, "hf://org/minilm")
    for value in ("monday", "tuesday"):
        before = cluster.model(api)["status"]["model"].get("refreshHash")
        _annotate(api, value)
        await until(lambda: _resolved(api) == "Refreshing", f"the refresh of {value}")
        await cluster.finish_resolve_job(api, digest="a")
        await until(lambda: _resolved(api) == "Resolved", f"the answer of {value}")
        assert cluster.model(api)["status"]["model"]["refreshHash"] != before


async def test_an_annotation_that_is_removed_asks_nothing(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "hf://org/minilm")
    _annotate(api, "monday")
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.model(api)["status"]["model"].get("refreshHash"), "the answer in status")
    passes = await operator.passes()
    api.writes.clear()
    _annotate(api, "")
    await operator.passes_beyond(passes)
    await until(lambda: not api.all(cluster.JOBS), "the Job of the refresh to go")
    assert [write for write in api.writes if not write.startswith("DELETE")] == []
    assert cluster.condition(api, "Ready")["status"] == "True"
    assert set(api.all(cluster.DEPLOYMENTS)) == {deployment}


async def test_a_refresh_that_fails_is_told_and_disturbs_nothing(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "hf://org/minilm")
    _annotate(api, "monday")
    await until(lambda: _resolved(api) == "Refreshing", "the refresh in status")
    await cluster.fail_resolve_job(api, reason="SourceNotFound", message="there is no such model.")
    await until(lambda: _resolved(api) == "RefreshFailed", "the failure in status")
    assert "SourceNotFound" in cluster.condition(api, "Resolved")["message"]
    assert cluster.condition(api, "Ready")["status"] == "True"

    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 2}})
    await until(lambda: cluster.replicas(api, deployment) == 2, "two replicas all the same")


QUOTA = 'jobs.batch "minilm-resolve" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1'


async def test_a_refresh_whose_job_a_quota_refuses_is_told_and_disturbs_nothing(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "hf://org/minilm")
    api.refuse = lambda method, path: QUOTA if (method, path.rpartition("/")[2]) == ("POST", "jobs") else None
    _annotate(api, "monday")
    await until(lambda: _resolved(api) == "RefreshFailed", "the refusal in status")
    assert "QuotaExceeded" in cluster.condition(api, "Resolved")["message"]
    assert cluster.condition(api, "Resolved")["status"] == cluster.condition(api, "Ready")["status"] == "True"

    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 2}})
    await until(lambda: cluster.replicas(api, deployment) == 2, "two replicas all the same")
    api.edit("v1/services", "minilm", {"spec": {"selector": {"nereid.dev/revision": "elsewhere"}}})
    await until(lambda: cluster.selected(api) == deployment.removeprefix("minilm-"), "the Service to be mended")

    api.refuse = lambda _method, _path: None
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 1}})
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: _resolved(api) == "Resolved", "the answer in status")
