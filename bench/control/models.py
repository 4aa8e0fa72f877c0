"""The ModelDeployments of the benchmark, the answers to what their models are, and the children they get. Pure."""

from typing import Any

from bench.errors import BenchError
from nereid_operator.api.model_deployment import ModelDeployment, Task
from nereid_operator.api.model_status import ResolvedModel, recorded_model
from nereid_operator.api.resources import MODEL_DEPLOYMENT, Body, Resource
from nereid_operator.api.validation import validate
from nereid_operator.plan.ir import Platform
from nereid_operator.plan.names import input_hash
from nereid_operator.plan.planner import make_plan
from nereid_operator.render.children import children as planned

Object = dict[str, Any]


def name(index: int) -> str:
    """Return the name of a ModelDeployment; it has no hyphen, so that what stands before one names the owner."""
    return f"m{index:05d}"


def model_deployment(namespace: str, index: int) -> Object:
    """Return a short manifest whose pods go to the nodes that kwok plays."""
    return {
        "apiVersion": MODEL_DEPLOYMENT.api_version,
        "kind": MODEL_DEPLOYMENT.kind,
        "metadata": {"name": name(index), "namespace": namespace},
        "spec": {
            "model": {"uri": f"hf://bench/model-{index}", "task": "Embedding"},
            "pod": {
                "nodeSelector": {"type": "kwok"},
                "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule"}],
            },
        },
    }


def answer(body: Body) -> Object:
    """Return the status of a ModelDeployment whose model was resolved before: a sentence embedder of 87 MiB."""
    report = {
        "revision": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        "digest": f"sha256:{'5' * 64}",
        "bytes": 91_000_000,
        "files": 9,
        "task": Task.EMBEDDING,
        "architecture": "BertModel",
        "dtype": "F32",
    }
    facts = ResolvedModel.model_validate({"inputHash": input_hash(_checked(body).spec.model), **report})
    return {"model": facts.as_body()}


def children(body: Body, platform: Platform) -> list[tuple[Resource, Body]]:
    """Return every object that the operator makes for a resolved ModelDeployment."""
    recorded = recorded_model(body.get("status", {}))
    if recorded is None:
        raise BenchError(f"ModelDeployment {body['metadata']['name']} has no answer in its status")
    plan = make_plan(_checked(body), recorded, platform, deployments=(), selected_revision="")
    return [(child.resource, child.manifest) for child in planned(plan) if child.manifest is not None]


def edit(index: int, batch_size: int) -> Object:
    """Return the merge patch of an edit that makes a new revision."""
    return {"metadata": {"name": name(index)}, "spec": {"runtime": {"batching": {"maxBatchSize": batch_size}}}}


def _checked(body: Body) -> ModelDeployment:
    checked = validate({**body, "metadata": {"uid": "unknown", **body["metadata"]}})
    if not isinstance(checked, ModelDeployment):
        raise BenchError(f"the benchmark's own manifest is wrong: {'; '.join(map(str, checked))}")
    return checked
