"""Which Secrets a model may name: those of one type, looked at before anything mounts them and never read."""

from typing import Any

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer

SECRETS = "v1/secrets"
TYPE = "nereid.dev/model-credentials"


def _secret(api: FakeApiServer, name: str, kind: str) -> None:
    api.put(SECRETS, {"metadata": {"name": name}, "type": kind, "data": {"token": "c2VjcmV0"}})


def _with(secret: str) -> dict[str, Any]:
    return {"spec": {"model": {"credentials": {"secretName": secret}}}}


def _apply(api: FakeApiServer, secret: str) -> None:
    model = {"uri": "s3://models/minilm", "credentials": {"secretName": secret}}
    kind = {"apiVersion": "nereid.dev/v1alpha1", "kind": "ModelDeployment"}
    api.put(cluster.MODELS, {**kind, "metadata": {"name": "minilm"}, "spec": {"model": model}})


async def _refused(api: FakeApiServer) -> str:
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "CredentialsRefused", "the refusal in status")
    message: str = cluster.condition(api, "Ready")["message"]
    return message


async def test_a_secret_of_another_type_is_named_and_mounted_by_nothing(api: FakeApiServer, operator: Operator):
    _secret(api, "database", "Opaque")
    _apply(api, "database")
    message = await _refused(api)
    assert "spec.model.credentials.secretName names Secret database of type Opaque" in message
    assert f"must be of type {TYPE}" in message
    assert cluster.condition(api, "Resolved")["reason"] == "CredentialsRefused"
    assert not api.all(cluster.JOBS)
    assert not api.all(cluster.DEPLOYMENTS)


async def test_a_secret_made_again_with_the_right_type_is_taken_without_an_edit_of_the_model(
    api: FakeApiServer, operator: Operator, monkeypatch
):
    monkeypatch.setattr("nereid_operator.reconciler.REFUSED_AGAIN_SECONDS", 0.05)
    _secret(api, "hub", "kubernetes.io/basic-auth")
    _apply(api, "hub")
    assert "of type kubernetes.io/basic-auth" in await _refused(api)
    api.remove(SECRETS, "hub")
    _secret(api, "hub", TYPE)
    await cluster.finish_resolve_job(api, digest="a")
    deployment = await cluster.appears(api, cluster.DEPLOYMENTS)
    cluster.make_ready(api, deployment)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")


async def test_a_secret_that_is_missing_is_for_the_job_to_tell(api: FakeApiServer, operator: Operator):
    _apply(api, "later")
    await cluster.appears(api, cluster.JOBS)
    assert api.rows == ["later"]


async def test_what_serves_goes_on_when_another_secret_is_refused(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    _secret(api, "database", "Opaque")
    api.edit(cluster.MODELS, "minilm", _with("database"))
    await _refused(api)
    assert cluster.condition(api, "Available")["status"] == "True"
    api.remove("v1/services", "minilm")
    await until(lambda: api.get("v1/services", "minilm"), "the Service to come back")
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 2}})
    await until(lambda: cluster.replicas(api, deployment) == 2, "a second replica of what serves")
    assert set(api.all(cluster.DEPLOYMENTS)) == {deployment}


async def test_new_pods_are_not_made_when_the_secret_has_become_another_one(api: FakeApiServer, operator: Operator):
    """The type of a Secret cannot change, but another Secret may have its name by the time of an edit."""
    _secret(api, "hub", TYPE)
    _apply(api, "hub")
    await cluster.finish_resolve_job(api, digest="a")
    old = await cluster.appears(api, cluster.DEPLOYMENTS)
    cluster.make_ready(api, old)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
    api.remove(SECRETS, "hub")
    _secret(api, "hub", "Opaque")
    api.edit(cluster.MODELS, "minilm", {"spec": {"runtime": {"batching": {"maxBatchSize": 2}}}})
    await _refused(api)
    assert set(api.all(cluster.DEPLOYMENTS)) == {old}
    assert cluster.condition(api, "Available")["status"] == "True"


async def test_it_is_looked_at_when_something_is_created_and_at_no_other_time(api: FakeApiServer, operator: Operator):
    """Once for the Job, once for the Deployment; passes over what is there ask for no Secret."""
    _secret(api, "hub", TYPE)
    _apply(api, "hub")
    await cluster.finish_resolve_job(api, digest="a")
    deployment = await cluster.appears(api, cluster.DEPLOYMENTS)
    cluster.make_ready(api, deployment)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
    assert api.rows == ["hub", "hub"]
    passes = await operator.passes()
    api.edit(cluster.MODELS, "minilm", {"metadata": {"annotations": {"touched": "true"}}})
    await operator.passes_beyond(passes)
    api.remove(cluster.JOBS, next(iter(api.all(cluster.JOBS))))
    await operator.passes_beyond(passes + 1)
    assert api.rows == ["hub", "hub"]


async def test_without_the_right_to_look_nothing_is_mounted_and_status_says_why(api: FakeApiServer, operator: Operator):
    api.forbid = lambda path: 'secrets "hub" is forbidden' if "/secrets/" in path else None
    _apply(api, "hub")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "ApplyRefused", "the refusal in status")
    assert 'secrets "hub" is forbidden' in cluster.condition(api, "Ready")["message"]
    assert not api.all(cluster.JOBS)
