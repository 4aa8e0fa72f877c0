"""A ModelDeployment from `kubectl apply` to Ready and on: the real operator, and the test as user and controllers."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import pytest

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer

Start = Callable[..., AbstractAsyncContextManager[Operator]]


async def test_a_manifest_becomes_a_job_then_a_deployment_and_a_service_and_ready(
    api: FakeApiServer, operator: Operator
):
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.finish_resolve_job(api, digest="a")
    deployment = await cluster.appears(api, "apps/v1/deployments")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "Starting", "a reason while pods start")
    cluster.make_ready(api, deployment)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")

    status = cluster.model(api)["status"]
    assert status["url"] == "http://minilm.default.svc"
    assert status["model"]["digest"] == cluster.digest("a")
    assert status["readyReplicas"] == 1
    assert status["revisions"]["current"] == status["revisions"]["stable"] == deployment.removeprefix("minilm-")
    service = api.get("v1/services", "minilm")
    assert service is not None
    assert service["spec"]["selector"]["nereid.dev/revision"] == status["revisions"]["stable"]
    await until(
        lambda: {event["reason"] for event in api.all("v1/events").values()} >= {"Resolving", "Starting", "Ready"},
        "the Events",
    )


async def test_nothing_is_written_when_nothing_changes(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    await until(
        lambda: [event for event in api.all("v1/events").values() if event["reason"] == "Ready"], "the last Event"
    )
    before, passes = list(api.writes), await operator.passes()
    pod = next(iter(api.all("v1/pods")))
    for number in range(3):
        api.edit("v1/pods", pod, {"metadata": {"annotations": {"touched": str(number)}}})
        api.edit("apps/v1/deployments", deployment, {"metadata": {"annotations": {"touched": str(number)}}})
        passes = await operator.passes_beyond(passes)
    assert api.writes == before


async def test_ready_does_not_flicker_while_a_controller_lags_behind(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    passes = await operator.passes()
    api.edit("apps/v1/deployments", deployment, {"status": {"observedGeneration": 0}})
    await operator.passes_beyond(passes)
    assert cluster.condition(api, "Ready")["status"] == "True"


async def test_a_new_model_is_served_beside_the_old_one_until_it_is_ready(api: FakeApiServer, operator: Operator):
    old = await cluster.serve(api, "s3://models/minilm")
    cluster.apply_model(api, "s3://models/minilm-v2")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "Resolving", "not Ready for the new spec")
    assert cluster.condition(api, "Available")["status"] == "True"
    assert cluster.model(api)["status"]["readyReplicas"] == 1
    await cluster.finish_resolve_job(api, digest="b")
    new = await cluster.appears(api, "apps/v1/deployments", other_than=old)
    await until(
        lambda: cluster.model(api)["status"]["revisions"]["current"] == new.removeprefix("minilm-"), "new revision"
    )
    assert cluster.selected(api) == old.removeprefix("minilm-")
    assert cluster.replicas(api, old) == 1

    cluster.make_ready(api, new)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
    await until(lambda: cluster.replicas(api, old) == 0, "the old revision at zero")
    assert cluster.selected(api) == new.removeprefix("minilm-")


async def test_an_edit_of_what_never_started_frees_its_room(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.finish_resolve_job(api, digest="a")
    old = await cluster.appears(api, cluster.DEPLOYMENTS)
    await until(lambda: api.get("v1/services", "minilm"), "the Service")
    limits = {"limits": {"memory": "4Gi"}}
    api.edit(cluster.MODELS, "minilm", {"spec": {"runtime": {"resources": limits}}})
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    await until(lambda: cluster.replicas(api, old) == 0, "the pods that cannot start to go")
    assert cluster.replicas(api, new) == 1


async def test_going_back_scales_the_old_revision_up_again(api: FakeApiServer, operator: Operator):
    old = await cluster.serve(api, "s3://models/minilm")
    new = await cluster.serve(api, "s3://models/minilm-v2", digest="b", other_than=old)
    await until(lambda: cluster.replicas(api, old) == 0, "the old revision at zero")
    cluster.make_ready(api, old, ready=0)
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.replicas(api, old) == 1, "the old revision scaled up")
    assert cluster.replicas(api, new) == 1
    cluster.make_ready(api, old)
    await until(lambda: cluster.replicas(api, new) == 0, "the newer revision at zero")
    assert set(api.all("apps/v1/deployments")) == {old, new}


async def test_only_two_revisions_are_kept(api: FakeApiServer, operator: Operator):
    first = await cluster.serve(api, "s3://models/one")
    second = await cluster.serve(api, "s3://models/two", digest="b", other_than=first)
    third = await cluster.serve(api, "s3://models/three", digest="c", other_than=first, also_than=second)
    await until(lambda: set(api.all("apps/v1/deployments")) == {second, third}, "the oldest revision gone")


async def test_an_invalid_edit_disturbs_nothing(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    cluster.apply_model(api, "ftp://models/minilm")
    await until(lambda: cluster.condition(api, "Accepted")["status"] == "False", "the edit to be refused")
    assert "spec.model.uri" in cluster.condition(api, "Accepted")["message"]
    assert cluster.condition(api, "Ready")["reason"] == "InvalidSpec"
    assert cluster.condition(api, "Available")["status"] == "True"
    assert cluster.model(api)["status"]["readyReplicas"] == 1
    assert cluster.replicas(api, deployment) == 1
    assert len(api.all("batch/v1/jobs")) == 1


async def test_a_failed_job_is_told_and_not_repeated_at_once(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.fail_resolve_job(api, reason="SourceNotFound", message="there is no such bucket.")
    await until(lambda: cluster.condition(api, "Resolved")["status"] == "False", "the failure in status")
    assert cluster.condition(api, "Ready")["reason"] == "SourceNotFound"
    assert "no such bucket" in cluster.condition(api, "Ready")["message"]
    assert len(api.all("batch/v1/jobs")) == 1
    assert not api.all("apps/v1/deployments")


async def test_an_object_of_somebody_else_is_left_alone(api: FakeApiServer, operator: Operator):
    api.put("v1/services", {"metadata": {"name": "minilm"}, "spec": {"selector": {"app": "theirs"}}})
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "NameConflict", "the conflict in status")
    assert "Service minilm" in cluster.condition(api, "Ready")["message"]
    service = api.get("v1/services", "minilm")
    assert service is not None
    assert service["spec"]["selector"] == {"app": "theirs"}


async def test_a_failed_attempt_is_told_while_the_job_tries_again_and_until_it_has_an_answer(
    api: FakeApiServer, operator: Operator
):
    cluster.apply_model(api, "s3://models/minilm")
    job = await cluster.fail_attempt(api, reason="SourceUnreachable", message="no route")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "SourceUnreachable", "the attempt's reason")
    words = "no route. The resolve Job tries again."
    resolved = cluster.condition(api, "Resolved")
    assert (resolved["status"], resolved["reason"], resolved["message"]) == ("Unknown", "SourceUnreachable", words)
    assert cluster.condition(api, "Progressing")["status"] == "True"
    passes = await operator.passes()
    cluster.begin_attempt(api, job, number=1)
    await operator.passes_beyond(passes)
    assert cluster.condition(api, "Ready")["reason"] == "SourceUnreachable"
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Resolved")["status"] == "True", "the answer of the second attempt")


async def test_the_answer_of_a_job_of_somebody_else_is_not_believed(api: FakeApiServer, start: Start):
    """No operator runs while the model goes: a pass under way could make objects of it again."""
    async with start():
        cluster.apply_model(api, "s3://models/minilm")
        await cluster.finish_resolve_job(api, digest="a")
    (job,) = api.all(cluster.JOBS).values()
    api.remove(cluster.MODELS, "minilm")
    theirs = {"name": job["metadata"]["name"], "labels": job["metadata"]["labels"]}
    api.put(cluster.JOBS, {"metadata": theirs, "spec": job["spec"], "status": job["status"]})
    async with start():
        cluster.apply_model(api, "s3://models/minilm")
        await until(lambda: cluster.condition(api, "Ready")["reason"] == "NameConflict", "the conflict in status")
        assert f"Job {theirs['name']}" in cluster.condition(api, "Ready")["message"]


async def test_what_an_earlier_model_of_the_name_left_goes_first(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    _leave(api, {cluster.DEPLOYMENTS: deployment}, made=datetime.now(UTC))
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "NameConflict", "the conflict in status")
    assert "is still being deleted with an earlier ModelDeployment minilm" in cluster.condition(api, "Ready")["message"]
    api.remove(cluster.DEPLOYMENTS, deployment)
    await until(lambda: api.get(cluster.DEPLOYMENTS, deployment), "a Deployment of its own")


async def test_what_the_garbage_collector_overlooked_is_deleted(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    left = {"v1/services": "minilm", "v1/serviceaccounts": "minilm-model", cluster.DEPLOYMENTS: deployment}
    before = {resource: _uid(api, resource, name) for resource, name in left.items()}
    _leave(api, left, made=datetime(2025, 1, 1, tzinfo=UTC))
    cluster.apply_model(api, "s3://models/other")
    await cluster.finish_resolve_job(api, digest="b")
    await until(lambda: deployment not in api.all(cluster.DEPLOYMENTS), "the Deployment of the earlier model to go")
    for resource in ("v1/services", "v1/serviceaccounts"):
        await until(
            lambda resource=resource: _uid(api, resource, left[resource]) not in ("", before[resource]),
            f"one of {resource} of its own",
        )


def _uid(api: FakeApiServer, resource: str, name: str) -> str:
    found = api.get(resource, name)
    return "" if found is None else str(found["metadata"]["uid"])


def _leave(api: FakeApiServer, names: Mapping[str, str], *, made: datetime) -> None:
    """Delete the model and leave some of its children, as if the garbage collector did not see it."""
    children = {resource: api.all(resource)[name] for resource, name in names.items()}
    api.remove(cluster.MODELS, "minilm")
    for resource, child in children.items():
        metadata = {key: child["metadata"][key] for key in ("name", "labels", "ownerReferences", "uid")}
        api.put(resource, {**child, "metadata": metadata | {"creationTimestamp": made.isoformat()}})


async def test_what_the_server_refuses_is_told(api: FakeApiServer, operator: Operator):
    api.refuse = lambda _method, path: "exceeded quota: gpus" if "/apps/v1/" in path else None
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "QuotaExceeded", "the refusal in status")
    assert "exceeded quota: gpus" in cluster.condition(api, "Ready")["message"]


async def test_a_refusal_to_scale_or_to_delete_is_told(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    api.refuse = lambda method, path: "frozen by policy" if path.endswith("/scale") or method == "DELETE" else None
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 2}})
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "ApplyRefused", "the refusal in status")
    assert f"/deployments/{deployment}/scale: frozen by policy" in cluster.condition(api, "Ready")["message"]

    cluster.apply_model(api, "s3://models/other")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "ApplyRefused", "the second refusal in status")
    assert "DELETE" in cluster.condition(api, "Ready")["message"]
    assert "frozen by policy" in cluster.condition(api, "Resolved")["message"]


async def test_a_refused_job_does_not_count_as_at_work(api: FakeApiServer, operator: Operator):
    api.refuse = lambda _method, path: "exceeded quota: jobs" if path.endswith("/jobs") else None
    cluster.apply_model(api, "s3://models/minilm")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "QuotaExceeded", "the refusal in status")
    assert cluster.condition(api, "Resolved")["reason"] == "QuotaExceeded"
    assert "exceeded quota: jobs" in cluster.condition(api, "Resolved")["message"]


async def test_what_is_deleted_by_hand_comes_back(api: FakeApiServer, operator: Operator):
    await cluster.serve(api, "s3://models/minilm")
    api.remove("v1/services", "minilm")
    await until(lambda: api.get("v1/services", "minilm"), "the Service to come back")


async def test_replicas_are_scaled_through_the_scale_subresource_alone(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    api.writes.clear()
    api.edit("nereid.dev/v1alpha1/modeldeployments", "minilm", {"spec": {"replicas": 3}})
    await until(lambda: cluster.replicas(api, deployment) == 3, "three replicas")
    path = f"/apis/apps/v1/namespaces/default/deployments/{deployment}"
    assert [write for write in api.writes if path in write] == [f"PATCH {path}/scale"]
    await until(lambda: cluster.condition(api, "Ready")["status"] == "False", "not Ready with one of three")
    cluster.make_ready(api, deployment, ready=3)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready with three")


@pytest.mark.parametrize("replicas", [0, 1, 3])
async def test_a_deployment_is_created_with_its_replicas_by_one_write(
    api: FakeApiServer, operator: Operator, replicas: int
):
    spec = {"model": {"uri": "s3://models/minilm"}, "replicas": replicas}
    api.put(cluster.MODELS, {"metadata": {"name": "minilm"}, "spec": spec})
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Resolved")["status"] == "True", "the status after the Deployment")
    (deployment,) = api.all(cluster.DEPLOYMENTS)
    assert cluster.replicas(api, deployment) == replicas
    assert [write.split()[0] for write in api.writes if "/apps/v1/" in write] == ["PATCH"]


async def test_a_restart_resolves_nothing_again_and_writes_nothing(api: FakeApiServer, start: Start):
    async with start():
        await cluster.serve(api, "s3://models/minilm")
        await until(lambda: cluster.model(api)["status"]["revisions"]["ready"] == 1, "the figures that were put off")
        job = next(iter(api.all("batch/v1/jobs")))
    api.remove("batch/v1/jobs", job)
    api.writes.clear()
    async with start() as operator:
        await operator.passes_beyond(0)
    assert api.writes == []


async def test_a_wiped_status_heals_from_what_the_job_left(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    cluster.wipe_status(api)
    await until(lambda: cluster.model(api).get("status", {}).get("model"), "the resolved facts")
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready again")
    assert set(api.all("apps/v1/deployments")) == {deployment}
    assert cluster.replicas(api, deployment) == 1


async def test_deleting_the_model_leaves_nothing(api: FakeApiServer, operator: Operator):
    await cluster.serve(api, "s3://models/minilm")
    api.remove("nereid.dev/v1alpha1/modeldeployments", "minilm")
    assert not api.all("apps/v1/deployments")
    assert not api.all("v1/services")
    passes = await operator.passes()
    cluster.apply_model(api, "s3://models/other", name="other")
    await cluster.finish_resolve_job(api, digest="a", name="other")
    await operator.passes_beyond(passes)
    assert not [name for name in api.all("apps/v1/deployments") if name.startswith("minilm")]


async def test_the_endpoint_says_alive_and_ready(operator: Operator, api: FakeApiServer):
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.appears(api, "batch/v1/jobs")
    assert await operator.status_of("/healthz") == 200
    assert await operator.status_of("/readyz") == 200


async def test_a_job_whose_pod_is_refused_is_told_and_goes_on_when_it_is_not(api: FakeApiServer, operator: Operator):
    """The Job controller says why a pod is refused only in Events, and a Job without a pod changes no more."""
    cluster.apply_model(api, "s3://models/minilm")
    job = await cluster.unfinished_job(api, "minilm")
    api.edit(cluster.JOBS, job, {"status": {"startTime": "2026-03-04T05:06:07Z"}})
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "PodCreationFailed", "the refused pod in status")
    assert f"kubectl describe job {job}" in cluster.condition(api, "Ready")["message"]

    about = {"involvedObject": cluster.owner(api.all(cluster.JOBS)[job]), "reason": "FailedCreate"}
    said = f'Error creating: pods "{job}-x" is forbidden: exceeded quota: no-pods, limited: pods=0'
    api.put("v1/events", {"metadata": {"name": "refused"}, **about, "message": said})
    api.edit(cluster.JOBS, job, {"metadata": {"annotations": {"touched": "1"}}})
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "QuotaExceeded", "the refusal in its own words")
    words = f"Job {job} cannot create its pod: exceeded quota: no-pods, limited: pods=0"
    assert cluster.condition(api, "Resolved")["message"] == cluster.condition(api, "Ready")["message"] == words
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Resolved")["status"] == "True", "the answer of the Job")


async def test_what_an_apply_would_take_away_is_taken_over_once_before(api: FakeApiServer, operator: Operator):
    """The first apply named the replicas; nobody else holds them until they are scaled."""
    deployment = await cluster.serve(api, "s3://models/minilm")
    path = f"/apis/apps/v1/namespaces/default/deployments/{deployment}"
    for writes in ([f"PATCH {path}/scale", f"PATCH {path}"], [f"PATCH {path}"]):
        api.writes.clear()
        api.edit(cluster.DEPLOYMENTS, deployment, {"spec": {"revisionHistoryLimit": 7}})
        await until(lambda: _history_limit(api, deployment) == 1, "the Deployment to be repaired")
        assert [write for write in api.writes if path in write] == writes


def _history_limit(api: FakeApiServer, deployment: str) -> object:
    return api.all(cluster.DEPLOYMENTS)[deployment]["spec"]["revisionHistoryLimit"]
