"""What befalls pods that run, or that cannot."""

import json
from contextlib import ExitStack

from nereid_operator.api.quantities import quantity
from tests.e2e.faults.scene import MINILM, SETTLED_SECONDS, Fault, Scene, Since
from tests.stack.kubectl import MODELS, Object
from tests.stack.manifests import condition, is_ready
from tests.stack.wait import wait_for

VICTIM, CHANGED = "victim", "changed"
GPU = "nvidia.com/gpu"
_FLIP = "f = open('/data/org/changed/model.safetensors', 'r+b'); f.seek(-1, 2); f.write(b'!')"
# The process that runs the model; the container ends with it.
_KILL = (
    "import os, pathlib; "
    "stubs = [p.name for p in pathlib.Path('/proc').glob('[0-9]*') "
    "if (p / 'cmdline').read_bytes().split(b'\\0')[0].endswith(b'triton_python_backend_stub')]; "
    "[os.kill(int(pid), 9) for pid in stubs]"
)


def _model(scene: Scene, name: str) -> Object:
    return scene.kubectl.get(MODELS, name, scene.running) or {}


def _resolved(scene: Scene, undo: ExitStack) -> None:
    _at_the_hub(scene, "cp", "-r", "/data/org/minilm", "/data/org/changed")
    scene.kubectl.apply(scene.model(scene.running, CHANGED, f"{scene.hub.url}/org/changed", replicas=0))
    wait_for("what is going to change is resolved", lambda: _is_resolved(scene), seconds=SETTLED_SECONDS)
    _at_the_hub(scene, "python3", "-c", _FLIP)


def _is_resolved(scene: Scene) -> bool:
    return condition(_model(scene, CHANGED), "Resolved").get("status") == "True"


def _at_the_hub(scene: Scene, *command: str) -> None:
    scene.kubectl.run("exec", "-n", scene.running, scene.hub_pod()["metadata"]["name"], "--", *command)


def _scaled(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.run("scale", MODELS, CHANGED, "-n", scene.running, "--replicas=1")


def _serving(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.apply(scene.model(scene.running, VICTIM, MINILM))
    wait_for("the victim serves", lambda: is_ready(_model(scene, VICTIM)), seconds=SETTLED_SECONDS)


def _killed(scene: Scene, undo: ExitStack) -> None:
    pod = scene.newest_pod(scene.running, VICTIM)
    scene.kubectl.run("exec", "-n", scene.running, pod, "-c", "triton", "--", "python3", "-c", _KILL)


def _filled(scene: Scene, undo: ExitStack) -> None:
    name = scene.newest_pod(scene.running, VICTIM)
    pod = scene.kubectl.get("pod", name, scene.running) or {}
    limit = quantity(pod["spec"]["initContainers"][0]["resources"]["limits"]["ephemeral-storage"])
    fill = f"import os; os.posix_fallocate(os.open('/tmp/large', os.O_CREAT | os.O_WRONLY), 0, {int(limit)})"
    scene.kubectl.run("exec", "-n", scene.running, name, "-c", "triton", "--", "python3", "-c", fill)


def _small(scene: Scene, undo: ExitStack) -> None:
    limits = {"requests": {"memory": "16Mi"}, "limits": {"memory": "16Mi"}}
    scene.kubectl.apply(scene.model(scene.running, VICTIM, MINILM, runtime={"resources": limits}))


def _gpus(scene: Scene, undo: ExitStack) -> None:
    """Have nodes that say they offer GPUs, as a device plugin would; there is none behind it."""
    paths = [f"/status/{side}/{GPU.replace('/', '~1')}" for side in ("capacity", "allocatable")]
    operations = json.dumps([{"op": "add", "path": path, "value": "8"} for path in paths])
    for node in scene.kubectl.run("get", "nodes", "-o", "name").split():
        scene.kubectl.run("patch", node, "--subresource=status", "--type=json", "-p", operations)


def _on_gpu(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.apply(scene.model(scene.running, VICTIM, MINILM, runtime={"device": "GPU"}))


# One after the other: the pod that is evicted is the one that came back from the crash.
FAULTS = {
    "weights that changed after they were resolved": Fault(
        CHANGED, "DigestMismatch", "model.safetensors", _scaled, since=Since.STARTED, prepare=_resolved
    ),
    "the process of the model is killed": Fault(
        VICTIM, "ContainerCrashed", "Container triton", _killed, since=Since.ENDED, prepare=_serving
    ),
    "a pod that fills its disk": Fault(VICTIM, "Evicted", "ephemeral", _filled, since=Since.EVICTED, prepare=_serving),
    "a memory limit below what Triton needs": Fault(
        VICTIM, "OutOfMemory", "its memory limit of 16Mi", _small, since=Since.ENDED
    ),
    "a GPU that the node offers and does not have": Fault(
        VICTIM, "DeviceMissing", "The pod asked for 1 nvidia.com/gpu", _on_gpu, since=Since.STARTED, prepare=_gpus
    ),
}
