"""What spec.runtime says of the engine, in the names of revisions and in the containers."""

import json
from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.validation import validate
from nereid_operator.plan.ir import Image, Platform, Revision
from nereid_operator.plan.planner import make_plan
from nereid_operator.render.workload import deployment
from tests.unit.operator.resolved import RESOLVED

PLATFORM = Platform(Image("model-runtime:1", "IfNotPresent"), vllm_image="tritonserver:vllm")
# The name before any of these fields: an operator that is upgraded must find its Deployment again.
HASH_WITHOUT = "12584bca"
GPU = {"accelerator": {"count": 4}}
Container = dict[str, Any]


def _revision(runtime: dict[str, Any], **metadata: str) -> Revision:
    body = {"metadata": {"name": "m", "namespace": "default", "uid": "u", **metadata}}
    md = validate({**body, "spec": {"model": {"uri": "hf://org/name"}, "runtime": runtime}})
    assert isinstance(md, ModelDeployment), md
    return make_plan(md, RESOLVED, PLATFORM, deployments=(), selected_revision="").revision


def _containers(runtime: dict[str, Any]) -> dict[str, Container]:
    pod = deployment(_revision(runtime))["spec"]["template"]["spec"]
    return {container["name"]: container for container in (*pod["initContainers"], *pod["containers"])}


SILENT = {
    "nothing": {},
    "our engine by its name, and the type that follows": {"engine": "Auto", "dtype": "Auto"},
    "the queue as it is without a word": {"batching": {"maxQueueSize": 64}},
}
OTHER = {
    "a type": {"dtype": "BFloat16"},
    "another queue": {"batching": {"maxQueueSize": 65}},
    "a time in the queue": {"batching": {"queueTimeout": "1s"}},
    "answers that are kept": {"responseCache": {"size": "64Mi"}},
    "more answers that are kept": {"responseCache": {"size": "65Mi"}},
    "a GPU": GPU,
    "vLLM": {**GPU, "engine": "VLLM"},
    "vLLM in another type": {**GPU, "engine": "VLLM", "dtype": "Float16"},
    "vLLM over two": {**GPU, "engine": "VLLM", "parallelism": {"tensor": 2}},
}


@pytest.mark.parametrize("runtime", SILENT.values(), ids=SILENT.keys())
def test_what_says_nothing_new_keeps_the_name(runtime: dict[str, Any]):
    assert _revision(runtime).hash == HASH_WITHOUT


def test_what_makes_other_pods_makes_another_name():
    assert len({_revision(runtime).hash for runtime in ({}, *OTHER.values())}) == len(OTHER) + 1


FLAGS = {
    "nothing": ({}, {"--max-batch-size=8", "--max-queue-size=64", "--alias=default.m"}),
    "a queue": (
        {"batching": {"maxQueueSize": 3, "queueTimeout": "1s500ms"}},
        {"--max-queue-size=3", "--queue-timeout-microseconds=1500000"},
    ),
    "a type": ({"dtype": "Float16"}, {"--dtype=Float16"}),
    "a type on a GPU": ({**GPU, "dtype": "Float32"}, {"--dtype=Float32", "--device=gpu"}),
    "answers that are kept": ({"responseCache": {"size": "1Mi"}}, {"--response-cache"}),
}
RARE = ("--queue-timeout", "--dtype", "--response-cache", "--engine", "--vllm-arguments", "--device", "--kv-cache")


@pytest.mark.parametrize(("runtime", "flags"), FLAGS.values(), ids=FLAGS.keys())
def test_prepare_is_told_what_is_said_and_nothing_else(runtime: dict[str, Any], flags: set[str]):
    told = set(_containers(runtime)["prepare"]["args"])
    assert flags <= told
    assert {flag for flag in told if flag.startswith(RARE)} == {flag for flag in flags if flag.startswith(RARE)}


def test_triton_keeps_answers_where_that_is_asked_for():
    asked = _containers({"responseCache": {"size": "64Mi"}})["triton"]["args"]
    assert "--cache-config=local,size=67108864" in asked
    assert not any("cache" in argument for argument in _containers({})["triton"]["args"])


def test_the_frontend_knows_which_bytes_must_answer_and_where_triton_counts():
    frontend = _containers({})["frontend"]["args"]
    assert f"--digest={RESOLVED.digest}" in frontend
    assert "--triton-metrics=127.0.0.1:8002" in frontend


def test_a_model_that_is_served_by_its_full_name_needs_no_alias():
    body = {"metadata": {"name": "m", "namespace": "default", "uid": "u"}}
    md = validate({**body, "spec": {"model": {"uri": "hf://org/name", "servedName": "default.m"}}})
    assert isinstance(md, ModelDeployment), md
    assert make_plan(md, RESOLVED, PLATFORM, deployments=(), selected_revision="").revision.alias is None


ARGUMENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {"dtype": "auto", "max_num_seqs": 8}),
    "everything": (
        {
            "dtype": "BFloat16",
            "batching": {"maxBatchSize": 256},
            "parallelism": {"tensor": 2, "pipeline": 2},
            "vllm": {"maxModelLength": 4096, "quantization": "bitsandbytes", "gpuMemoryUtilization": "7%"},
        },
        {
            "dtype": "bfloat16",
            "max_num_seqs": 256,
            "tensor_parallel_size": 2,
            "pipeline_parallel_size": 2,
            "max_model_len": 4096,
            "quantization": "bitsandbytes",
            "gpu_memory_utilization": 0.07,
        },
    ),
    "one way": ({"parallelism": {}}, {"dtype": "auto", "max_num_seqs": 8, **dict.fromkeys(
        ("tensor_parallel_size", "pipeline_parallel_size"), 1)}),
}  # fmt: skip


@pytest.mark.parametrize(("runtime", "arguments"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_vllm_is_told_in_its_own_words(runtime: dict[str, Any], arguments: dict[str, Any]):
    containers = _containers({**GPU, "engine": "VLLM", **runtime})
    flags = [flag for flag in containers["prepare"]["args"] if flag.startswith(RARE)]
    device, engine, told = flags
    assert (device, engine) == ("--device=gpu", "--engine=vllm")
    assert json.loads(told.removeprefix("--vllm-arguments=")) == arguments


def test_only_triton_runs_in_the_image_of_vllm():
    containers = _containers({**GPU, "engine": "VLLM"})
    assert {name: container["image"] for name, container in containers.items()} == {
        "prepare": "model-runtime:1",
        "triton": "tritonserver:vllm",
        "frontend": "model-runtime:1",
    }
    assert containers["triton"]["command"][-2].splitlines()[-1].startswith("exec /opt/tritonserver/bin/tritonserver ")
