"""Why pods are not ready: the worst first, in the cluster's own words."""

from typing import Any

import pytest

from nereid_operator.observe import deployment_facts, pod_facts
from nereid_operator.waiting import why_waiting


def _pod(*, init: dict[str, Any] | None = None, triton: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    named_init = [{"name": "prepare", **init}] if init else []
    named_main = [{"name": "triton", **triton}] if triton else []
    return {
        "metadata": {"name": "m-1", "labels": {"nereid.dev/revision": "1"}},
        "status": {"phase": "Pending", "initContainerStatuses": named_init, "containerStatuses": named_main, **status},
    }


def _ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: 3 No victims.",
}


def _unscheduled(causes: str) -> dict[str, Any]:
    tail = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    return _pod(conditions=[UNSCHEDULABLE | {"message": f"0/1 nodes are available: {causes}. {tail}"}])


CASES = {
    "a claim that is not there": (
        _unscheduled('persistentvolumeclaim "models" not found'),
        "ClaimMissing",
        "PersistentVolumeClaim models is not there.",
        True,
    ),
    "a claim that is going": (
        _unscheduled('persistentvolumeclaim "models" is being deleted'),
        "ClaimMissing",
        "PersistentVolumeClaim models is being deleted.",
        True,
    ),
    "a claim without a volume": (
        _unscheduled("pod has unbound immediate PersistentVolumeClaims"),
        "ClaimNotBound",
        "not bound to a volume",
        True,
    ),
    "a claim whose volume is gone": (
        _unscheduled('persistentvolumeclaim "models" bound to non-existent persistentvolume "pv-1"'),
        "ClaimNotBound",
        "PersistentVolumeClaim models is bound to volume pv-1, which is not there.",
        True,
    ),
    "no node": (
        _pod(conditions=[UNSCHEDULABLE]) | {"spec": {"containers": [{"resources": {"requests": {"memory": "9Gi"}}}]}},
        "Unschedulable",
        "needs 9Gi memory, 0 of 3 nodes have that much free",
        True,
    ),
    "no image": (
        _pod(init={"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}),
        "ImagePullFailed",
        "not found",
        True,
    ),
    "no Secret": (
        _pod(init={"state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}}}),
        "ContainerConfigError",
        'secret "x" not found',
        True,
    ),
    "fetching": (_pod(init={"state": {"running": {}}}), "Downloading", "87Mi", False),
    "the weights are not what was resolved": (
        _pod(
            init={
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": _ended(3, '{"reason": "DigestMismatch", "message": "got another."}'),
            }
        ),
        "DigestMismatch",
        "got another.",
        True,
    ),
    "fetched, Triton starts": (
        _pod(init={"state": _ended(0)}, triton={"state": {"running": {}}, "ready": False}),
        "Loading",
        "Triton",
        False,
    ),
    "Triton was killed for memory": (
        _pod(
            init={"state": _ended(0)},
            triton={"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": _ended(137, reason="OOMKilled")},
        ),
        "OutOfMemory",
        "Container triton of pod m-1 was killed when it had used all its node's memory (OOMKilled).",
        True,
    ),
    "Triton was killed at its limit": (
        _pod(init={"state": _ended(0)}, triton={"state": _ended(137, reason="OOMKilled")})
        | {"spec": {"containers": [{"name": "triton", "resources": {"limits": {"memory": "1Gi"}}}]}},
        "OutOfMemory",
        "killed when it had used its memory limit of 1Gi (OOMKilled).",
        True,
    ),
    "the engine died and is being loaded again": (
        _pod(
            init={"state": _ended(0)},
            triton={
                "state": {"running": {}},
                "ready": False,
                "lastState": _ended(137, '{"reason": "EngineDied", "message": "RuntimeError in step 812."}'),
            },
        ),
        "EngineDied",
        "RuntimeError in step 812.",
        True,
    ),
    "nothing known yet": (_pod(), "Starting", "started", False),
}


@pytest.mark.parametrize(("body", "reason", "words", "stuck"), CASES.values(), ids=CASES.keys())
def test_why(body: dict[str, Any], reason: str, words: str, stuck: bool):
    wait = why_waiting(None, (pod_facts(body),), size_bytes=91_000_000)
    assert (wait.reason, wait.stuck) == (reason, stuck)
    assert words in wait.message


def test_an_evicted_pod_does_not_speak_for_the_one_that_replaces_it():
    evicted = pod_facts(_pod(triton={"state": _ended(137, reason="ContainerStatusUnknown")}, phase="Failed"))
    fetching = pod_facts(_pod(init={"state": {"running": {}}}))
    assert why_waiting(None, (evicted, fetching), size_bytes=1).reason == "Downloading"


def test_a_pod_that_failed_as_a_whole_speaks_in_its_own_words_while_there_is_no_other():
    words = "The node was low on resource: ephemeral-storage."
    evicted = pod_facts(_pod(phase="Failed", reason="Evicted", message=words))
    wait = why_waiting(None, (evicted,), size_bytes=1)
    assert (wait.reason, wait.stuck) == ("Evicted", True)
    assert words in wait.message


EVICTED = _pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
BEGAN = "2026-03-04T05:06:07Z"


def _loading(**ready: str) -> dict[str, Any]:
    loading = {"state": {"running": {}}, "ready": False}
    return _pod(triton=loading, startTime=BEGAN, conditions=[{"type": "Ready", "status": "False", **ready}])


def test_an_eviction_is_told_until_another_pod_has_been_ready_in_its_place():
    wait = why_waiting(None, (pod_facts(EVICTED), pod_facts(_loading(lastTransitionTime=BEGAN))), size_bytes=1)
    assert (wait.reason, wait.stuck) == ("Evicted", False)
    assert wait.message == (
        "Pod m-1 failed: Evicted: The node was low on resource: memory. In its place: Triton is loading the model."
    )
    was_ready = pod_facts(_loading(lastTransitionTime="2026-03-04T05:07:07Z"))
    assert why_waiting(None, (pod_facts(EVICTED), was_ready), size_bytes=1).reason == "Loading"


def test_a_pod_that_its_node_does_not_admit_failed():
    refused = pod_facts(_pod(phase="Failed", reason="UnexpectedAdmissionError", message="no device"))
    assert why_waiting(None, (refused,), size_bytes=1).reason == "PodFailed"


def test_a_stuck_pod_speaks_before_one_that_only_needs_time():
    fetching = pod_facts(_pod(init={"state": {"running": {}}}))
    stuck = pod_facts(_pod(conditions=[UNSCHEDULABLE]))
    assert why_waiting(None, (fetching, stuck), size_bytes=1).reason == "Unschedulable"


# k8s.io/apiserver, k8s.io/kubernetes/plugin/pkg/admission and k8s.io/pod-security-admission, as their sources write it.
REFUSALS = {
    "a quota that is full": (
        (
            'pods "m-1-x" is forbidden: exceeded quota: compute, requested: memory=9Gi, used: memory=1Gi, '
            "limited: memory=4Gi"
        ),
        "QuotaExceeded",
        "exceeded quota: compute, requested: memory=9Gi",
    ),
    "a quota that wants a request": (
        'pods "m-1-x" is forbidden: failed quota: compute: must specify limits.cpu for: frontend,triton',
        "QuotaExceeded",
        "failed quota: compute: must specify limits.cpu",
    ),
    "a limit above the range": (
        'pods "m-1-x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 9Gi',
        "LimitRangeViolation",
        "maximum memory usage per Container is 1Gi",
    ),
    "several limits outside the range": (
        (
            'pods "m-1-x" is forbidden: [minimum cpu usage per Pod is 1, but request is 250m, '
            "maximum cpu usage per Pod is 2.  No limit is specified]"
        ),
        "LimitRangeViolation",
        "[minimum cpu usage per Pod is 1",
    ),
    "a ratio above the range": (
        'pods "m-1-x" is forbidden: memory max limit to request ratio per Container is 2, but provided ratio is 4.0',
        "LimitRangeViolation",
        "memory max limit to request ratio",
    ),
    "the namespace's security level": (
        (
            'pods "m-1-x" is forbidden: violates PodSecurity "restricted:latest": seccompProfile (container "triton" '
            'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
        ),
        "PodSecurityViolation",
        'violates PodSecurity "restricted:latest"',
    ),
    "a webhook": (
        'admission webhook "pods.example.com" denied the request: no team label',
        "AdmissionRefused",
        "no team label",
    ),
    "a webhook that is down": (
        'Internal error occurred: failed calling webhook "pods.example.com": failed to call webhook: timeout',
        "AdmissionRefused",
        "timeout",
    ),
    "an admission policy": (
        "pods \"m-1-x\" is forbidden: ValidatingAdmissionPolicy 'images' with binding 'all' denied request: no",
        "AdmissionRefused",
        "ValidatingAdmissionPolicy 'images'",
    ),
    "a priority class that is not there": (
        'pods "m-1-x" is forbidden: no PriorityClass with name serving was found',
        "PriorityClassMissing",
        "no PriorityClass with name serving",
    ),
    "a runtime class that is not there": (
        'pods "m-1-x" is forbidden: pod rejected: RuntimeClass "kata" not found',
        "RuntimeClassMissing",
        'RuntimeClass "kata" not found',
    ),
    "a quota, as an Event says it": (
        'Error creating: pods "m-1-x" is forbidden: exceeded quota: compute, requested: memory=9Gi',
        "QuotaExceeded",
        "exceeded quota: compute, requested: memory=9Gi",
    ),
    "a webhook, as the eleventh Event of its kind says it": (
        '(combined from similar events): Error creating: admission webhook "w.example.org" denied the request: no',
        "AdmissionRefused",
        'admission webhook "w.example.org" denied the request: no',
    ),
    "something that has no reason of its own": (
        'pods "m-1-x" is forbidden: error looking up service account ns/m-model',
        "PodCreationFailed",
        "error looking up service account",
    ),
}


@pytest.mark.parametrize(("message", "reason", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_pods_that_cannot_be_created_say_who_refuses_them(message: str, reason: str, words: str):
    failure = {"type": "ReplicaFailure", "status": "True", "message": message}
    body = {"metadata": {"name": "m-1"}, "spec": {}, "status": {"conditions": [failure]}}
    wait = why_waiting(deployment_facts(body), (), size_bytes=1)
    assert (wait.reason, wait.stuck) == (reason, True)
    assert words in wait.message
    assert "m-1-x" not in wait.message, "the next attempt has another name"
    assert not wait.message.startswith(("Error", "(combined")), "the next Event may say it otherwise"
