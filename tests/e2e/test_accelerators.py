"""Accelerators on nodes that offer them and have none: what the scheduler says, and what the pod finds.

The test cluster's nodes say that they have GPUs, as a device plugin would have them say, so that pods are scheduled; no
driver is in the containers.
"""

import pytest

from tests.stack.kubectl import MODELS
from tests.stack.manifests import condition, model_deployment
from tests.stack.wait import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("nereid")]

GPU = "nvidia.com/gpu"


@pytest.fixture
def on_gpu(kubectl, namespace, store, uploaded):
    """Apply a model that asks for so many GPUs and return its Ready condition once it has the reason."""
    applied = []

    def ready(name, count, reason):
        runtime = {"device": "GPU", "accelerator": {"resourceName": GPU, "count": count}}
        kubectl.apply(model_deployment(name, namespace, uploaded["minilm"], store, runtime=runtime))
        applied.append(name)
        return wait_for(f"{name}: {reason}", lambda: _ready(kubectl, namespace, name, reason), seconds=180)

    yield ready
    for name in applied:
        kubectl.run("delete", MODELS, name, "-n", namespace, "--wait=false")


def test_a_model_is_on_a_gpu_or_does_not_run(kubectl, namespace, on_gpu):
    """The pod is placed where a GPU is offered, takes it, finds none, and neither serves nor creeps onto the CPU."""
    ready = on_gpu("on-gpu", 1, "DeviceMissing")
    assert ready["status"] == "False"
    assert ready["message"].startswith("The pod asked for 1 nvidia.com/gpu, but there is no GPU to run on: ")
    assert "libcuda.so.1" in ready["message"]
    (pod,) = kubectl.select("pods", namespace, "nereid.dev/model=on-gpu,nereid.dev/revision")
    triton = next(container for container in pod["spec"]["containers"] if container["name"] == "triton")
    assert triton["resources"]["limits"][GPU] == triton["resources"]["requests"][GPU] == "1"
    node = pod["spec"]["nodeName"]
    taken = next(line.split() for line in kubectl.run("describe", "node", node).splitlines() if _counts(line))
    assert taken == [GPU, "1", "1"]


def test_a_model_that_asks_for_more_gpus_than_there_are_says_so(kubectl, on_gpu):
    ready = on_gpu("many-gpus", 64, "Unschedulable")
    assert ready["status"] == "False"
    # Nodes that kwok plays may stand beside the real one; they are tainted.
    nodes = len(kubectl.select("nodes", "default"))
    assert ready["message"].startswith(f"needs 64 nvidia.com/gpu, 0 of {nodes} nodes have that many free")


def _counts(line: str) -> bool:
    """Return whether this is the line of `Allocated resources`: name, requests, limits."""
    return line.strip().startswith(GPU) and ":" not in line


def _ready(kubectl, namespace, name, reason):
    model = kubectl.get(MODELS, name, namespace)
    ready = condition(model, "Ready")
    return ready if ready.get("reason") == reason else None
