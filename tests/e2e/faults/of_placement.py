"""Why no pod is made or no node takes it: specs and rules that befall a model which is resolved."""

import json
from contextlib import ExitStack

from tests.e2e.faults.scene import BASE, SETTLED_SECONDS, Fault, Scene, Since, Step, named, nothing
from tests.stack.kubectl import KubectlError
from tests.stack.manifests import condition
from tests.stack.wait import wait_for

LABEL = "nereid.dev/fault"


def _edited(**spec: object) -> Step:
    return lambda scene, _: scene.edit_base(**spec)


def _quota(scene: Scene, undo: ExitStack) -> None:
    scene.make(undo, {**named("v1", "ResourceQuota", "no-pods", scene.waiting), "spec": {"hard": {"pods": "0"}}})
    # A quota refuses nothing before its controller has counted.
    wait_for("the quota is counted", lambda: _counted(scene), seconds=60)


def _counted(scene: Scene) -> bool:
    quota = scene.kubectl.get("resourcequota", "no-pods", scene.waiting)
    return bool(quota and quota.get("status", {}).get("hard"))


def _limit_range(scene: Scene, undo: ExitStack) -> None:
    limit = {"type": "Container", "max": {"memory": "8Mi"}}
    scene.make(undo, {**named("v1", "LimitRange", "tiny", scene.waiting), "spec": {"limits": [limit]}})


def _serving_policy(scene: Scene, undo: ExitStack) -> None:
    here = {"matchLabels": {"kubernetes.io/metadata.name": scene.waiting}}
    policy = named("nereid.dev/v1alpha1", "ServingPolicy", f"{scene.waiting}-two")
    scene.make(undo, {**policy, "spec": {"namespaceSelector": here, "maxReplicas": 2}})


def _admission_policy(scene: Scene, undo: ExitStack) -> None:
    version, name = "admissionregistration.k8s.io/v1", f"{scene.waiting}-no-pods"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    rules = {
        "matchConstraints": {"resourceRules": [pods]},
        "validations": [{"expression": "false", "message": "no pods on a Friday"}],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.waiting}}}
    bound = {"policyName": name, "validationActions": ["Deny"], "matchResources": here}
    scene.make(
        undo,
        {**named(version, "ValidatingAdmissionPolicy", name), "spec": rules},
        {**named(version, "ValidatingAdmissionPolicyBinding", name), "spec": bound},
    )
    # The API server takes a while to learn of its own policies.
    wait_for("pods are refused", lambda: _is_refused(scene), seconds=60)


def _is_refused(scene: Scene) -> bool:
    """Ask by a pod that Pod Security lets through."""
    container = {
        "name": "c",
        "image": "x",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = named("v1", "Pod", "asked", scene.waiting)
    pod["spec"] = {"containers": [container], "securityContext": security}
    try:
        scene.kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    except KubectlError as error:
        return "no pods on a Friday" in str(error)
    return False


def _pod_of_another_image(scene: Scene, undo: ExitStack) -> None:
    """Have a pod that waits for a node with a label, and give it an image that is nowhere."""
    scene.edit_base(pod={"nodeSelector": {LABEL: "here"}})
    wait_for("the pod waits for a node", lambda: _waits(scene), seconds=SETTLED_SECONDS)
    pod = scene.newest_pod(scene.waiting, BASE)
    scene.kubectl.run("set", "image", f"pod/{pod}", "-n", scene.waiting, "prepare=nereid.dev/no-such:1")


def _waits(scene: Scene) -> bool:
    model = scene.kubectl.get("modeldeployments.nereid.dev", BASE, scene.waiting) or {}
    found = condition(model, "Ready")
    now = found.get("observedGeneration") == model["metadata"]["generation"]
    return bool(now and found["reason"] == "Unschedulable")


def _node_with_the_label(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.run("label", "nodes", "--all", f"{LABEL}=here")
    undo.callback(scene.kubectl.run, "label", "nodes", "--all", f"{LABEL}-")


def _cordoned(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.run("cordon", "--selector=kubernetes.io/os=linux")
    undo.callback(scene.kubectl.run, "uncordon", "--selector=kubernetes.io/os=linux")


def _tainted(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.run("taint", "nodes", "--all", f"{LABEL}=here:NoSchedule")
    undo.callback(scene.kubectl.run, "taint", "nodes", "--all", f"{LABEL}=here:NoSchedule-")


def _foreign_service(scene: Scene, undo: ExitStack) -> None:
    service = {**named("v1", "Service", "taken", scene.running), "spec": {"ports": [{"port": 1}]}}
    scene.kubectl.apply(service, scene.model(scene.running, "taken", "hf://org/minilm"))


def _fault(reason: str, words: str, prepare: Step = nothing, **spec: object) -> Fault:
    return Fault(BASE, reason, words, _edited(**spec), prepare=prepare)


FAULTS = {
    "more memory than any node has": _fault(
        "Unschedulable", "Mi memory, 0 of ", runtime={"resources": {"requests": {"memory": "4000Gi"}}}
    ),
    "more GPUs than any node has": _fault(
        "Unschedulable", "needs 64 nvidia.com/gpu", runtime={"device": "GPU", "accelerator": {"count": 64}}
    ),
    "a label that no node has": _fault(
        "Unschedulable", "without the labels asked for", pod={"nodeSelector": {"nereid.dev/moon": "full"}}
    ),
    "a ResourceQuota without room": _fault(
        "QuotaExceeded", "exceeded quota: no-pods", _quota, runtime={"batching": {"maxBatchSize": 2}}
    ),
    "a LimitRange below what the pods ask for": _fault(
        "LimitRangeViolation",
        "maximum memory usage per Container is 8Mi",
        _limit_range,
        runtime={"batching": {"maxBatchSize": 3}},
    ),
    "a policy of admission that refuses the pods": _fault(
        "AdmissionRefused", "no pods on a Friday", _admission_policy, runtime={"batching": {"maxBatchSize": 4}}
    ),
    "a ResourceQuota without room for the pod of the resolve Job": _fault(
        "QuotaExceeded", "cannot create its pod: exceeded quota: no-pods", _quota, model={"task": "Embedding"}
    ),
    "a policy of admission that refuses the pod of the resolve Job": _fault(
        "AdmissionRefused", "no pods on a Friday", _admission_policy, model={"task": "Embedding"}
    ),
    "a PriorityClass that is not there": _fault(
        "PriorityClassMissing", "no PriorityClass with name urgent", pod={"priorityClassName": "urgent"}
    ),
    "a RuntimeClass that is not there": _fault(
        "RuntimeClassMissing", 'RuntimeClass "kata" not found', pod={"runtimeClassName": "kata"}
    ),
    "a ServingPolicy that allows fewer replicas": _fault("PolicyViolation", "-two", _serving_policy, replicas=5),
    "an image that is nowhere": Fault(
        BASE, "ImagePullFailed", "nereid.dev/no-such:1", _node_with_the_label, prepare=_pod_of_another_image
    ),
}
# These befall every pod of the cluster that has no node yet, so nothing else may happen meanwhile.
FAULTS_OF_NODES = {
    "nodes that are cordoned": _fault(
        "Unschedulable", "cordoned", _cordoned, runtime={"batching": {"maxBatchSize": 5}}
    ),
    "nodes with a taint": _fault("Unschedulable", "tainted", _tainted, runtime={"batching": {"maxBatchSize": 6}}),
}
OWN_MODEL_FAULTS = {
    "a Service of that name which belongs to somebody else": Fault(
        "taken", "NameConflict", "Service taken", _foreign_service, since=Since.ANSWERED
    ),
}
