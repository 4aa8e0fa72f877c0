"""How a source is reached, and that what serves is left alone while a way to it is not there yet."""

import contextlib
from collections.abc import Callable

from nereid_operator.plan.ir import Proxy
from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer

Start = Callable[..., contextlib.AbstractAsyncContextManager[Operator]]


async def test_a_bundle_that_is_not_there_is_named_and_what_serves_goes_on(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    (old_job,) = api.all(cluster.JOBS)
    template = api.all(cluster.DEPLOYMENTS)[deployment]["spec"]["template"]
    bundle = {"caBundle": {"configMapName": "company-roots"}}
    api.edit(cluster.MODELS, "minilm", {"spec": {"model": {"source": bundle}}})
    named = "ConfigMap company-roots (key ca.crt)"
    job = await cluster.fail_attempt(api, reason="CaBundleMissing", message=f"{named} is not there", other_than=old_job)
    await until(lambda: named in cluster.condition(api, "Ready")["message"], "the ConfigMap in status")
    assert cluster.condition(api, "Ready")["reason"] == "CaBundleMissing"
    asked = api.all(cluster.JOBS)[job]["spec"]["template"]["spec"]
    (volume,) = [volume for volume in asked["volumes"] if volume["name"] == "ca-bundle"]
    assert volume["configMap"]["optional"]
    assert f"--ca-bundle-name={named}" in asked["containers"][0]["args"]
    assert cluster.condition(api, "Available")["status"] == "True"
    assert cluster.replicas(api, deployment) == 1
    assert set(api.all(cluster.DEPLOYMENTS)) == {deployment}
    assert api.all(cluster.DEPLOYMENTS)[deployment]["spec"]["template"] == template


async def test_another_proxy_rolls_out_beside_what_serves_without_resolving_again(api: FakeApiServer, start: Start):
    async with start():
        old = await cluster.serve(api, "s3://models/minilm")
    known = cluster.model(api)["status"]["model"]
    async with start(proxy=Proxy("http://proxy.example.com:3128", None, None)):
        new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
        await until(lambda: cluster.condition(api, "Ready")["status"] == "False", "the new revision to be waited for")
        assert cluster.replicas(api, old) == 1
        assert cluster.selected(api) == old.removeprefix("minilm-")
        cluster.make_ready(api, new)
        await until(lambda: cluster.replicas(api, old) == 0, "the pods without a proxy at zero")
        await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
        assert not api.all(cluster.JOBS)
        assert cluster.model(api)["status"]["model"] == known
    async with start():
        await until(lambda: cluster.replicas(api, old) == 1, "the first revision, back without the proxy")


async def test_a_claim_that_is_not_there_is_named_and_waited_for(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "pvc://models/minilm")
    job = await cluster.appears(api, cluster.JOBS)
    asked = api.all(cluster.JOBS)[job]["spec"]
    (volume,) = [volume for volume in asked["template"]["spec"]["volumes"] if volume["name"] == "claim"]
    assert volume["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    assert asked["activeDeadlineSeconds"] == 7200
    missing = '0/1 nodes are available: persistentvolumeclaim "models" not found. preemption: not helpful.'
    cluster.leave_unscheduled(api, job, words=missing)
    await until(lambda: cluster.condition(api, "Ready").get("reason") == "ClaimMissing", "the claim in status")
    assert cluster.condition(api, "Ready")["message"] == "PersistentVolumeClaim models is not there."
    await cluster.finish_resolve_job(api, digest="a")
    deployment = await cluster.appears(api, cluster.DEPLOYMENTS)
    pod = api.all(cluster.DEPLOYMENTS)[deployment]["spec"]["template"]["spec"]
    assert volume in pod["volumes"]
    (prepare,) = pod["initContainers"]
    assert {"name": "claim", "mountPath": "/var/run/nereid/claim", "readOnly": True} in prepare["volumeMounts"]
    assert not any(mount["name"] == "claim" for container in pod["containers"] for mount in container["volumeMounts"])
