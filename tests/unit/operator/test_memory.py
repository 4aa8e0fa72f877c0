"""The memory of a replica: by what the resolve Job found, or, without it, as it always was."""

from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.quantities import MEBIBYTE, mebibytes
from nereid_operator.api.validation import validate
from nereid_operator.plan.capacity import replica_memory
from nereid_operator.plan.ir import Image, Platform, Revision
from nereid_operator.plan.planner import make_plan
from nereid_operator.render.workload import deployment

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


# The same decoder with other words of spec.runtime → memory of `triton` and of its KV cache, both in MiB.
_TOKENS = 46_080 / MEBIBYTE
_WEIGHTS = 538_060_032 * 1.3 / MEBIBYTE
CACHES: dict[str, tuple[dict[str, Any], dict[str, Any], float | None, float | None]] = {
    "two full contexts": ({}, {}, 1024 + _WEIGHTS + 16384 * _TOKENS, 16384 * _TOKENS),
    "two bytes a number halve weights and cache": (
        {},
        {"dtype": "BFloat16"},
        1024 + (_WEIGHTS + 16384 * _TOKENS) / 2,
        16384 * _TOKENS / 2,
    ),
    "float16 does so too": ({}, {"dtype": "Float16"}, None, 16384 * _TOKENS / 2),
    "float32 is what is counted in": ({}, {"dtype": "Float32"}, None, 16384 * _TOKENS),
    "a batch of short generations that is more": (
        {},
        {"batching": {"maxBatchSize": 32}},
        1024 + _WEIGHTS + 32 * 1024 * _TOKENS,
        32 * 1024 * _TOKENS,
    ),
    "contexts shorter than a short generation": ({"contextLength": 512}, {}, None, 8 * 512 * _TOKENS),
    "what a memory limit leaves": (
        {},
        {"resources": {"limits": {"memory": "4Gi"}}},
        None,
        4096 - 1024 - 256 - _WEIGHTS,
    ),
    "what a memory limit leaves in two bytes": (
        {},
        {"dtype": "BFloat16", "resources": {"limits": {"memory": "4Gi"}}},
        None,
        4096 - 1024 - 256 - _WEIGHTS / 2,
    ),
    "a request is no limit": ({}, {"resources": {"requests": {"memory": "4Gi"}}}, None, 16384 * _TOKENS),
    "a GPU's memory is not known here": ({}, {"device": "GPU"}, None, None),
    "vLLM decides by itself": ({}, {"device": "GPU", "engine": "VLLM"}, None, None),
    "nothing of the cache is known": ({"kvBytesPerToken": None}, {}, None, None),
}


@pytest.mark.parametrize(("facts", "runtime", "memory", "cache"), CACHES.values(), ids=CACHES.keys())
def test_the_memory_of_the_kv_cache(
    facts: dict[str, Any], runtime: dict[str, Any], memory: float | None, cache: float | None
):
    revision = _revision({**SMOLLM2, **DECODER, **facts}, **runtime)
    if memory is not None:
        assert revision.workload.triton.limits["memory"] == mebibytes(memory * MEBIBYTE)
    assert revision.kv_cache_bytes == (None if cache is None else pytest.approx(cache * MEBIBYTE, abs=1))
    (prepare,) = deployment(revision)["spec"]["template"]["spec"]["initContainers"]
    told = [argument for argument in prepare["args"] if argument.startswith("--kv-cache-bytes=")]
    assert told == ([] if cache is None else [f"--kv-cache-bytes={revision.kv_cache_bytes}"])


def test_an_encoder_has_no_kv_cache():
    assert _revision({**MINILM, "weightsBytes": 90_261_504}).kv_cache_bytes is None


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
