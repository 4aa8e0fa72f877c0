"""What keeps a model from running as its valid spec says, once it is known what the model is."""

from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.validation import validate
from nereid_operator.plan.fitness import obstacle
from nereid_operator.plan.ir import Image, Platform
from nereid_operator.plan.planner import make_plan

WITHOUT_VLLM = Platform(Image("model-runtime:1", "IfNotPresent"))
WITH_VLLM = Platform(Image("model-runtime:1", "IfNotPresent"), vllm_image="tritonserver:vllm")
# 1,024 MiB for the engine, 256 for /dev/shm, 667.1 for weights and activations, 360 for one context: 2,307.1.
DECODER = {"weightsBytes": 538_060_032, "kvBytesPerToken": 46_080, "contextLength": 8192}
KEPT, VLLM = {"responseCache": {"size": "1Mi"}}, {"engine": "VLLM", "device": "GPU"}


def _limit(memory: str, **runtime: Any) -> dict[str, Any]:
    return {"resources": {"limits": {"memory": memory}}, **runtime}


FITS = {
    "nothing said": ("Chat", {}, DECODER),
    "answers of an encoder": ("Embedding", KEPT, {}),
    "answers of a classifier": ("Classification", KEPT, {}),
    "answers of tensors": ("Tensor", KEPT, {}),
    "vLLM for a chat": ("Chat", VLLM, DECODER),
    "vLLM for completions": ("Completion", VLLM, {}),
    "a limit with room for one context": ("Chat", _limit("2308Mi"), DECODER),
    "half of it in two bytes": ("Chat", _limit("1794Mi", dtype="BFloat16"), DECODER),
    "a small limit on a GPU": ("Chat", _limit("1Mi", device="GPU"), DECODER),
    "a small limit for an encoder": ("Embedding", _limit("16Mi"), {"weightsBytes": 90_261_504}),
    "a small limit for a model that was resolved before its cache was known": ("Chat", _limit("16Mi"), {}),
    "a small request": ("Chat", {"resources": {"requests": {"memory": "1Mi"}}}, DECODER),
    "a task that is not known yet": ("Auto", {**VLLM}, {}),
}
BARRED = {
    "answers of a chat": ("Chat", KEPT, {}, "RuntimeMismatch", "spec.runtime.responseCache"),
    "answers of completions": ("Completion", KEPT, {}, "RuntimeMismatch", "the model is for Completion"),
    "vLLM for an encoder": ("Embedding", VLLM, {}, "RuntimeMismatch", "serves Chat and Completion"),
    "vLLM for tensors": ("Tensor", VLLM, {}, "RuntimeMismatch", "the model is for Tensor"),
    "a limit without room for one context": (
        "Chat",
        _limit("2307Mi"),
        DECODER,
        "MemoryTooSmall",
        "is 2307Mi; one context of 8192 tokens takes 2308Mi: raise it to that, or set spec.runtime.dtype to BFloat16",
    ),
    "half of it in two bytes": (
        "Chat",
        _limit("1Gi", dtype="Float16"),
        DECODER,
        "MemoryTooSmall",
        "takes 1794Mi: raise it to that, or leave the resources out",
    ),
}


def _asked(task: str, runtime: dict[str, Any], facts: dict[str, Any]) -> tuple[ModelDeployment, ResolvedModel]:
    spec = {"model": {"uri": "hf://org/name"}, "runtime": runtime}
    md = validate({"metadata": {"name": "m", "namespace": "default", "uid": "u"}, "spec": spec})
    assert isinstance(md, ModelDeployment), md
    known = {"inputHash": "0", "revision": "r", "digest": f"sha256:{'a' * 64}", "bytes": 271_000_000, "dtype": "BF16"}
    return md, ResolvedModel.model_validate({**known, "task": task, **facts})


@pytest.mark.parametrize(("task", "runtime", "facts"), FITS.values(), ids=FITS.keys())
def test_nothing_bars_what_fits(task: str, runtime: dict[str, Any], facts: dict[str, Any]):
    assert obstacle(*_asked(task, runtime, facts), WITH_VLLM) is None


@pytest.mark.parametrize(("task", "runtime", "facts", "reason", "words"), BARRED.values(), ids=BARRED.keys())
def test_what_does_not_fit_is_named(task: str, runtime: dict[str, Any], facts: dict[str, Any], reason: str, words: str):
    found = obstacle(*_asked(task, runtime, facts), WITH_VLLM)
    assert found is not None
    assert found.reason == reason
    assert words in found.message


def test_vllm_without_an_image_names_the_value_of_the_chart():
    found = obstacle(*_asked("Chat", VLLM, DECODER), WITHOUT_VLLM)
    assert found is not None
    assert found.reason == "EngineImageMissing"
    assert "images.vllm" in found.message


def test_at_the_least_limit_the_cache_holds_one_context():
    md, resolved = _asked("Chat", _limit("2308Mi"), DECODER)
    cache = make_plan(md, resolved, WITH_VLLM, deployments=(), selected_revision="").revision.kv_cache_bytes
    assert cache is not None
    assert 8192 * 46_080 <= cache < 8192 * 46_080 + 1024**2
