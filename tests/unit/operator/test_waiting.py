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
    "message": "0/3 nodes: no memory",
}
CASES = {
    "no node": (_pod(conditions=[UNSCHEDULABLE]), "Unschedulable", "0/3 nodes: no memory", True),
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
        "ContainerCrashed",
        "triton of pod m-1 ended with exit code 137 (OOMKilled)",
        True,
    ),
    "nothing known yet": (_pod(), "Starting", "started", False),
}


@pytest.mark.parametrize(("body", "reason", "words", "stuck"), CASES.values(), ids=CASES.keys())
def test_why(body: dict[str, Any], reason: str, words: str, stuck: bool):
    wait = why_waiting(None, (pod_facts(body),), size_bytes=91_000_000)
    assert (wait.reason, wait.stuck) == (reason, stuck)
    assert words in wait.message


def test_a_pod_that_does_not_start_says_which_secret_it_needs():
    spec = {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "credentials", "secret": {"secretName": "hub"}}]}
    body = _pod(init={"state": {"waiting": {"reason": "PodInitializing"}}}) | {"spec": spec}
    wait = why_waiting(None, (pod_facts(body),), size_bytes=1)
    assert (wait.reason, wait.stuck) == ("Starting", False)
    assert wait.message == "Containers are being started; they need the Secret hub."


def test_a_pod_that_does_not_start_says_which_config_map_it_needs():
    bundle = {"name": "roots", "items": [{"key": "bundle.pem", "path": "ca.crt"}]}
    spec = {
        "volumes": [
            {"name": "credentials", "secret": {"secretName": "hub"}},
            {"name": "ca-bundle", "configMap": bundle},
        ]
    }
    pod = pod_facts({"metadata": {"name": "p"}, "spec": spec, "status": {}})
    wait = why_waiting(None, (pod,), size_bytes=0)
    assert wait.message == (
        "Containers are being started; they need the Secret hub and the ConfigMap roots (key bundle.pem)."
    )


def test_an_evicted_pod_does_not_speak_for_the_one_that_replaces_it():
    evicted = pod_facts(_pod(triton={"state": _ended(137, reason="ContainerStatusUnknown")}, phase="Failed"))
    fetching = pod_facts(_pod(init={"state": {"running": {}}}))
    assert why_waiting(None, (evicted, fetching), size_bytes=1).reason == "Downloading"


def test_a_pod_that_failed_as_a_whole_speaks_in_its_own_words_while_there_is_no_other():
    words = "The node was low on resource: ephemeral-storage."
    evicted = pod_facts(_pod(phase="Failed", reason="Evicted", message=words))
    wait = why_waiting(None, (evicted,), size_bytes=1)
    assert (wait.reason, wait.stuck) == ("PodFailed", True)
    assert words in wait.message


def test_a_stuck_pod_speaks_before_one_that_only_needs_time():
    fetching = pod_facts(_pod(init={"state": {"running": {}}}))
    stuck = pod_facts(_pod(conditions=[UNSCHEDULABLE]))
    assert why_waiting(None, (fetching, stuck), size_bytes=1).reason == "Unschedulable"


def test_a_deployment_that_cannot_create_pods_says_why():
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    body = {"metadata": {"name": "m-1"}, "spec": {}, "status": {"conditions": [failure]}}
    wait = why_waiting(deployment_facts(body), (), size_bytes=1)
    assert (wait.reason, wait.message, wait.stuck) == ("PodCreationFailed", "exceeded quota", True)
