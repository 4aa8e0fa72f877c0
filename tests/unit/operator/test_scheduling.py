"""The scheduler's words in plain ones, with what the pod asks for as far as it is known; the rest is kept.

The messages are put together as k8s.io/kubernetes/pkg/scheduler does (`FitError.Error`), from its plugins' reasons.
"""

from decimal import Decimal

import pytest

from nereid_operator.scheduling import plain

GIB = 1024**3
POD = {
    "nvidia.com/gpu": Decimal(1),
    "memory": Decimal(9 * GIB),
    "cpu": Decimal("0.25"),
    "ephemeral-storage": Decimal(353 * 1024**2),
    "pods": Decimal(1),
}
TAIL = (
    "preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, "
    "2 Preemption is not helpful for scheduling."
)

CASES = {
    "no accelerator free, and tainted nodes": (
        f"1 Insufficient nvidia.com/gpu, 2 node(s) had untolerated taint(s). {TAIL}",
        "needs 1 nvidia.com/gpu, 0 of 3 nodes have one free (2 tainted)",
    ),
    "no accelerator free, and nodes of two taints": (
        (
            "1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint {gpu: true}, "
            "1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }."
        ),
        (
            "needs 1 nvidia.com/gpu, 0 of 3 nodes have one free (2 tainted); "
            "taints: gpu: true, node-role.kubernetes.io/control-plane"
        ),
    ),
    "no accelerator anywhere": (
        f"3 Insufficient nvidia.com/gpu. no new claims to deallocate, {TAIL}",
        "needs 1 nvidia.com/gpu, 0 of 3 nodes have one free",
    ),
    "an accelerator that the pod is not known to ask for": (
        "3 Insufficient example.com/fpga.",
        "needs example.com/fpga, 0 of 3 nodes have enough free",
    ),
    "memory": (f"3 Insufficient memory. {TAIL}", "needs 9Gi memory, 0 of 3 nodes have that much free"),
    "cpu": ("3 Insufficient cpu.", "needs 0.25 cpu, 0 of 3 nodes have that much free"),
    "disk": ("3 Insufficient ephemeral-storage.", "needs 353Mi ephemeral-storage, 0 of 3 nodes have that much free"),
    "a node short of two things": (
        "1 Insufficient cpu, 3 Insufficient memory.",
        "needs 0.25 cpu and 9Gi memory, 0 of 3 nodes have all of it free (1 short of cpu, 3 short of memory)",
    ),
    "short of two things, and cordoned": (
        "1 Insufficient memory, 1 Insufficient nvidia.com/gpu, 2 node(s) were unschedulable.",
        (
            "needs 9Gi memory and 1 nvidia.com/gpu, 0 of 3 nodes have all of it free "
            "(1 short of memory, 1 short of nvidia.com/gpu, 2 cordoned)"
        ),
    ),
    "full nodes": ("3 Too many pods.", "0 of 3 nodes can take it: 3 full of pods"),
    "memory and a full node": (
        "1 Too many pods, 2 Insufficient memory.",
        "needs 9Gi memory, 0 of 3 nodes have that much free (1 full of pods)",
    ),
    "a taint without a value": (
        "3 node(s) had untolerated taint {example.com/storage: }.",
        "0 of 3 nodes can take it: 3 tainted; taints: example.com/storage",
    ),
    "taints of an older scheduler": (
        "3 node(s) had taints that the pod didn't tolerate.",
        "0 of 3 nodes can take it: 3 tainted",
    ),
    "a node that is starting": (
        "3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
        "0 of 3 nodes can take it: 3 tainted; taints: node.kubernetes.io/not-ready",
    ),
    "cordoned, and labels": (
        f"1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector. {TAIL}",
        "0 of 3 nodes can take it: 1 cordoned, 2 without the labels asked for",
    ),
    "affinity to pods": (
        "3 node(s) didn't match pod affinity rules.",
        "0 of 3 nodes can take it: 3 without the pods it must be near",
    ),
    "anti-affinity of the pod": (
        "3 node(s) didn't match pod anti-affinity rules.",
        "0 of 3 nodes can take it: 3 with pods it must not be near",
    ),
    "anti-affinity of other pods": (
        "3 node(s) didn't satisfy existing pods anti-affinity rules.",
        "0 of 3 nodes can take it: 3 with pods that must not be near it",
    ),
    "topology spread": (
        (
            "1 node(s) didn't match pod topology spread constraints (missing required label), "
            "2 node(s) didn't match pod topology spread constraints."
        ),
        "0 of 3 nodes can take it: 1 without the label to spread by, 2 with too many of its pods",
    ),
    "ports": (
        "3 node(s) didn't have free ports for the requested pod ports.",
        "0 of 3 nodes can take it: 3 with the port taken",
    ),
    "a volume elsewhere": (
        "3 node(s) didn't match PersistentVolume's node affinity.",
        "0 of 3 nodes can take it: 3 out of reach of the volume",
    ),
    "a volume elsewhere, in older words": (
        "1 node(s) had volume node affinity conflict, 2 node(s) had no available volume zone.",
        "0 of 3 nodes can take it: 3 out of reach of the volume",
    ),
    "no volume": (
        "3 node(s) didn't find available persistent volumes to bind.",
        "0 of 3 nodes can take it: 3 without a volume to bind",
    ),
    "too many volumes": ("3 node(s) exceed max volume count.", "0 of 3 nodes can take it: 3 full of volumes"),
    "a claim that is not bound": (
        f"pod has unbound immediate PersistentVolumeClaims. {TAIL}",
        "0 of 3 nodes can take it: pod has unbound immediate PersistentVolumeClaims",
    ),
    "a claim that is not there": (
        'persistentvolumeclaim "cache" not found.',
        '0 of 3 nodes can take it: persistentvolumeclaim "cache" not found',
    ),
    "words of another plugin": (
        "1 Insufficient memory, 2 node(s) had a bad day, with rain.",
        "needs 9Gi memory, 0 of 3 nodes have that much free (2 node(s) had a bad day, with rain)",
    ),
    "a plugin of claims": (
        "3 cannot allocate all claims. no new claims to deallocate.",
        "0 of 3 nodes can take it: 3 cannot allocate all claims",
    ),
}


@pytest.mark.parametrize(("causes", "words"), CASES.values(), ids=CASES.keys())
def test_plain(causes: str, words: str):
    assert plain(f"0/3 nodes are available: {causes}", POD) == words


UNKNOWN = {
    "no nodes": "no nodes available to schedule pods",
    "gates": "Scheduling is blocked due to non-empty scheduling gates",
    "what is not from the scheduler": 'secret "x" not found',
    "nothing": "",
}


@pytest.mark.parametrize("message", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_other_words_are_passed_on(message: str):
    assert plain(message, POD) == message


def test_several_devices():
    wanted = {"nvidia.com/gpu": Decimal(4)}
    words = plain("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", wanted)
    assert words == "needs 4 nvidia.com/gpu, 0 of 1 nodes have that many free"
