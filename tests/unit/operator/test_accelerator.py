"""What spec.runtime.device and accelerator change in plan and objects, and what they leave as it was."""

from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.validation import validate
from nereid_operator.plan.ir import Accelerator, Image, Platform, Revision
from nereid_operator.plan.planner import make_plan
from nereid_operator.render.workload import deployment
from tests.unit.operator.resolved import RESOLVED

PLATFORM = Platform(Image("model-runtime:1", "IfNotPresent"))
# The name before there was a device in the spec: an operator that is upgraded must find its Deployment again.
HASH_WITHOUT_DEVICE = "12584bca"
NVIDIA = "nvidia.com/gpu"


def _revision(runtime: dict[str, Any]) -> Revision:
    spec = {"model": {"uri": "hf://org/name"}, "runtime": runtime}
    md = validate({"metadata": {"name": "m", "namespace": "default", "uid": "u"}, "spec": spec})
    assert isinstance(md, ModelDeployment), md
    return make_plan(md, RESOLVED, PLATFORM, deployments=(), selected_revision="").revision


def _containers(runtime: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    pod = deployment(_revision(runtime))["spec"]["template"]["spec"]
    return pod["initContainers"][0], pod["containers"][0]


DEVICES: dict[str, tuple[dict[str, Any], Accelerator | None]] = {
    "nothing said": ({}, None),
    "Auto without an accelerator": ({"device": "Auto"}, None),
    "Auto with one": ({"accelerator": {}}, Accelerator(NVIDIA, 1)),
    "GPU alone": ({"device": "GPU"}, Accelerator(NVIDIA, 1)),
    "GPU with an accelerator": (
        {"device": "GPU", "accelerator": {"resourceName": "example.com/gpu", "count": 4}},
        Accelerator("example.com/gpu", 4),
    ),
    "CPU": ({"device": "CPU"}, None),
}


@pytest.mark.parametrize(("runtime", "accelerator"), DEVICES.values(), ids=DEVICES.keys())
def test_the_device_that_is_planned(runtime: dict[str, Any], accelerator: Accelerator | None):
    revision = _revision(runtime)
    assert revision.workload.accelerator == accelerator
    assert (revision.hash == HASH_WITHOUT_DEVICE) == (accelerator is None)


def test_a_gpu_is_asked_of_the_scheduler_and_required_before_triton_starts():
    prepare, triton = _containers({"device": "GPU"})
    assert prepare["args"][-1] == "--device=gpu"
    assert triton["command"] == ["python3", "-m", "model_runtime.require_gpu"]
    assert triton["args"][:3] == ["--asked=1 nvidia.com/gpu", "--", "tritonserver"]
    assert triton["resources"]["requests"][NVIDIA] == triton["resources"]["limits"][NVIDIA] == "1"
    assert NVIDIA not in prepare["resources"].get("limits", {})


def test_a_model_on_the_cpu_is_started_as_before():
    prepare, triton = _containers({"device": "CPU"})
    assert not any("device" in argument for argument in prepare["args"])
    assert triton["command"] == ["tritonserver"]


def test_the_accelerator_is_added_to_resources_of_the_spec():
    _, triton = _containers({"accelerator": {"count": 2}, "resources": {"requests": {"memory": "8Gi"}}})
    assert triton["resources"] == {"requests": {"memory": "8Gi", NVIDIA: "2"}, "limits": {NVIDIA: "2"}}


def test_on_a_gpu_the_nodes_memory_holds_cuda_and_one_tensor_not_the_model():
    large = RESOLVED.model_copy(update={"size_bytes": 140 * 1024**3})
    spec = {"model": {"uri": "hf://org/name"}, "runtime": {"device": "GPU"}}
    md = validate({"metadata": {"name": "m", "namespace": "default", "uid": "u"}, "spec": spec})
    assert isinstance(md, ModelDeployment), md
    plan = make_plan(md, large, PLATFORM, deployments=(), selected_revision="")
    assert plan.revision.workload.triton.limits["memory"] == f"{(1 + 2 + 4) * 1024}Mi"
