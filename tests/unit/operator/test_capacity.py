"""What a replica is given, from the size of its weights or from the spec's own word."""

from typing import Any

import pytest

from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.quantities import MEBIBYTE
from nereid_operator.api.runtime import Runtime
from nereid_operator.plan.capacity import shared_memory, triton_resources, with_shared_memory
from nereid_operator.plan.ir import Accelerator

MODEL = ResolvedModel.model_validate(
    {
        "inputHash": "0",
        "revision": "r",
        "digest": f"sha256:{'a' * 64}",
        "bytes": 100 * MEBIBYTE,
        "task": "Embedding",
        "dtype": "F32",
    }
)
# What the spec says → requests and limits of memory, size of /dev/shm.
CASES: dict[str, tuple[dict[str, Any] | None, tuple[str | None, str | None, str]]] = {
    "nothing is said, so the estimate grows by /dev/shm": (None, ("1410Mi", "1410Mi", "256Mi")),
    "nothing inside is said": ({}, (None, None, "256Mi")),
    "a large limit": ({"limits": {"memory": "8Gi"}}, (None, "8Gi", "256Mi")),
    "a limit of four times /dev/shm": ({"limits": {"memory": "1Gi"}}, (None, "1Gi", "256Mi")),
    "a small limit, of which a quarter is left to /dev/shm": (
        {"limits": {"memory": "512Mi"}},
        (None, "512Mi", "128Mi"),
    ),
    "a limit in bytes": ({"limits": {"memory": 400 * MEBIBYTE}}, (None, str(400 * MEBIBYTE), "100Mi")),
    "a request without a limit": ({"requests": {"memory": "300Mi"}}, ("300Mi", None, "256Mi")),
    "a limit of something else": ({"limits": {"cpu": "2"}}, (None, None, "256Mi")),
}


@pytest.mark.parametrize(("said", "expected"), CASES.values(), ids=CASES.keys())
def test_what_lies_in_shared_memory_is_counted_as_memory(
    said: dict[str, Any] | None, expected: tuple[str | None, str | None, str]
):
    runtime = Runtime.model_validate({"resources": said})
    triton = triton_resources(runtime, None, MODEL)
    given = with_shared_memory(runtime, triton)
    assert (given.requests.get("memory"), given.limits.get("memory"), shared_memory(runtime, triton)) == expected


def test_what_the_spec_says_is_left_as_it_is():
    said = {"requests": {"cpu": 1, "memory": "300Mi"}, "limits": {"example.com/gpu": "1"}}
    runtime = Runtime.model_validate({"resources": said})
    triton = triton_resources(runtime, None, MODEL)
    assert with_shared_memory(runtime, triton) == triton


def test_answers_that_are_kept_take_memory_too():
    runtime = Runtime.model_validate({"responseCache": {"size": "64Mi"}})
    assert triton_resources(runtime, None, MODEL).limits["memory"] == f"{1410 - 256 + 64}Mi"


def test_vllm_has_a_process_and_cuda_for_each_device_and_a_larger_shared_memory():
    runtime = Runtime.model_validate({"engine": "VLLM", "accelerator": {"count": 4}})
    triton = triton_resources(runtime, Accelerator("nvidia.com/gpu", 4), MODEL)
    assert triton.limits["memory"] == f"{1024 + 4 * 2048 + 100}Mi"
    assert shared_memory(runtime, triton) == "1024Mi"
    assert with_shared_memory(runtime, triton).limits["memory"] == f"{1024 + 4 * 2048 + 100 + 1024}Mi"
