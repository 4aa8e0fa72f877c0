"""The memory of a replica: by what the resolve Job found, or, without it, as it always was."""

from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.validation import validate
from nereid_operator.plan.capacity import replica_memory
from nereid_operator.plan.ir import Image, Platform, Revision
from nereid_operator.plan.planner import make_plan

PLATFORM = Platform(Image("model-runtime:1", "IfNotPresent"))
MINILM = {"bytes": 91_573_785, "task": "Embedding", "dtype": "float32"}
SMOLLM2 = {"bytes": 271_000_000, "task": "Chat", "dtype": "bfloat16"}
DECODER = {"weightsBytes": 538_060_032, "kvBytesPerToken": 46_080, "contextLength": 8192}


def _revision(facts: dict[str, Any], **runtime: Any) -> Revision:
    spec = {"model": {"uri": "hf://org/name"}, "runtime": runtime}
    md = validate({"metadata": {"name": "m", "namespace": "default", "uid": "u"}, "spec": spec})
    assert isinstance(md, ModelDeployment), md
    known = {"inputHash": "0", "revision": "r", "digest": f"sha256:{'a' * 64}"}
    resolved = ResolvedModel.model_validate({**known, **facts})
    return make_plan(md, resolved, PLATFORM, deployments=(), selected_revision="").revision


GIVEN = {
    "an encoder: weights, activations, engine": ({**MINILM, "weightsBytes": 90_261_504}, "1136Mi"),
    "a decoder: and the cache of two contexts": ({**SMOLLM2, **DECODER}, "2412Mi"),
    "an encoder that was resolved before such facts were known": (MINILM, "1252Mi"),
    "a decoder that was resolved before such facts were known": (SMOLLM2, "1696Mi"),
}


@pytest.mark.parametrize(("facts", "memory"), GIVEN.values(), ids=GIVEN.keys())
def test_the_memory_of_triton(facts: dict[str, Any], memory: str):
    triton = _revision(facts).workload.triton
    assert triton.requests["memory"] == triton.limits["memory"] == memory


# The names that an operator without these facts gave: its pods must stay when it is upgraded.
EARLIER = {"an encoder": (MINILM, "533250db"), "a decoder": (SMOLLM2, "07d372e7")}


@pytest.mark.parametrize(("facts", "revision"), EARLIER.values(), ids=EARLIER.keys())
def test_a_model_that_was_resolved_before_keeps_its_pods(facts: dict[str, Any], revision: str):
    assert _revision(facts).hash == revision


MEMORY = {
    "estimated": ({}, "2924Mi"),
    "asked for by the spec": ({"resources": {"requests": {"memory": "3Gi"}, "limits": {"memory": "4Gi"}}}, "3328Mi"),
    "only limited by the spec": ({"resources": {"limits": {"memory": "4Gi"}}}, "4352Mi"),
    "left open by the spec": ({"resources": {"requests": {"cpu": 1}}}, None),
}


@pytest.mark.parametrize(("runtime", "memory"), MEMORY.values(), ids=MEMORY.keys())
def test_the_memory_of_a_replica(runtime: dict[str, Any], memory: str | None):
    assert replica_memory(_revision({**SMOLLM2, **DECODER}, **runtime)) == memory
