"""What spec.model.cache changes in plan and pods, and that what the model is has nothing to do with it."""

from typing import Any

from nereid_operator.api.model_deployment import ModelDeployment, parse
from nereid_operator.plan.ir import Image, ModelCache, Platform
from nereid_operator.plan.names import input_hash, revision_hash
from nereid_operator.plan.planner import make_plan, make_workload, resolve_job
from nereid_operator.render.workload import deployment
from tests.unit.operator.resolved import RESOLVED

# As it was before there were caches: an operator that is upgraded must find its Deployment again.
NAME_WITHOUT = "212fb1f4"
PLATFORM = Platform(Image("nereid.dev/model-runtime:test", "IfNotPresent"))


def _md(**cache: Any) -> ModelDeployment:
    model: dict[str, Any] = {"uri": "hf://org/minilm", **({"cache": cache} if cache else {})}
    return parse({"metadata": {"name": "m", "namespace": "n", "uid": "u"}, "spec": {"model": model}})


def _containers(md: ModelDeployment) -> dict[str, dict[str, Any]]:
    plan = make_plan(md, RESOLVED, PLATFORM, deployments=(), selected_revision="")
    pod = deployment(plan.revision)["spec"]["template"]["spec"]
    return {container["name"]: container for container in (*pod["initContainers"], *pod["containers"])}


def test_what_the_model_is_is_not_asked_again_for_a_cache():
    with_cache, without = _md(claimName="models"), _md()
    assert input_hash(with_cache.spec.model) == input_hash(without.spec.model)
    assert resolve_job(with_cache, PLATFORM).name == resolve_job(without, PLATFORM).name


def test_a_cache_makes_other_pods_and_a_model_without_one_keeps_its_name():
    hashes = {
        revision_hash(make_workload(md, RESOLVED, PLATFORM))
        for md in (_md(), _md(claimName="models"), _md(claimName="other"), _md(claimName="models", size="1Gi"))
    }
    assert len(hashes) == 4
    assert revision_hash(make_workload(_md(), RESOLVED, PLATFORM)) == NAME_WITHOUT


def test_a_bound_is_told_in_bytes():
    assert make_workload(_md(claimName="m", size="1.5Gi"), RESOLVED, PLATFORM).cache == ModelCache("m", 1610612736)
    assert "--cache-bytes=1610612736" in _containers(_md(claimName="m", size="1.5Gi"))["prepare"]["args"]
    assert not [arg for arg in _containers(_md(claimName="m"))["prepare"]["args"] if arg.startswith("--cache-bytes")]


def test_only_prepare_sees_the_cache():
    mounts = {
        name: {mount["name"] for mount in container["volumeMounts"]}
        for name, container in _containers(_md(claimName="models")).items()
    }
    assert {name for name, mounted in mounts.items() if "cache" in mounted} == {"prepare"}
