"""Each kind of fault → the whole text of `nereid why`, on file in testdata/why."""

from collections.abc import Callable

import pytest

from nereid_operator.cli.evidence import ContainerRun, Evidence
from nereid_operator.cli.why import explain
from tests.unit.cli.objects import (
    NOW,
    REVISION,
    condition,
    crashed,
    deployment,
    event,
    job,
    model,
    pod,
    ready_pod,
    running,
    unready,
    unscheduled,
    waiting,
)

JOB = "minilm-resolve-11112222"
OF_JOB = {"batch.kubernetes.io/job-name": JOB}
NO_NODE = (
    "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {gpu: true}. "
    "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
)
NO_CLAIM = "PersistentVolumeClaim models is not there."
CLAIM_NOT_FOUND = '0/3 nodes are available: persistentvolumeclaim "models" not found. preemption: not helpful.'
NO_ROOM = "needs 9Gi memory, 0 of 3 nodes have that much free (2 tainted); taints: gpu: true"
PULL = 'Back-off pulling image "nereid.dev/model-runtime:9": not found'
QUOTA = (
    'pods "minilm-x" is forbidden: exceeded quota: small, requested: memory=1Gi, used: memory=0, limited: memory=512Mi'
)
DIED = '{"reason": "EngineDied", "message": "RuntimeError in step 812."}'
GONE = '{"reason": "SourceNotFound", "message": "hf://org/minilm was not found on huggingface.co"}'
NO_RESULT = f"Job {JOB} failed without saying why."

CASES = {
    "a healthy model is one sentence": Evidence(model(replicas=2)),
    "the operator has never seen it": Evidence({**model(), "status": {}}),
    "the operator is behind the newest spec": Evidence(model(observedGeneration=2)),
    "a spec with errors": Evidence(
        model(
            condition("Accepted", "False", "InvalidSpec", "spec.model.uri: is 'x' and must be hf://…"),
            condition("Resolved", "Unknown", "InvalidSpec", "The spec has errors, so the model was not looked at."),
            condition("Available", "True", "Serving", f"Revision {REVISION} is serving."),
            condition("Ready", "False", "InvalidSpec", "spec.model.uri: is 'x' and must be hf://…"),
        )
    ),
    "no node has room": Evidence(
        model(*unready("Unschedulable", NO_ROOM), replicas=2, readyReplicas=0),
        deployments=(deployment(replicas=2),),
        pods=(pod("aaaaa", conditions=unscheduled(NO_NODE)), pod("bbbbb", conditions=unscheduled(NO_NODE))),
        events=(
            event("Pod", f"minilm-{REVISION}-aaaaa", "FailedScheduling", NO_NODE, at="11:59:30"),
            event("ModelDeployment", "minilm", "Unschedulable", NO_ROOM, at="11:55:00"),
            event("Pod", "another-pod", "Failed", "about something else", at="11:59:59"),
        ),
    ),
    "the image cannot be pulled": Evidence(
        model(*unready("ImagePullFailed", f"Container prepare of pod p: {PULL}"), readyReplicas=0),
        deployments=(deployment(),),
        pods=(pod(initContainerStatuses=[waiting("prepare", "ImagePullBackOff", PULL)]),),
    ),
    "a quota refuses the pods": Evidence(
        model(*unready("PodCreationFailed", QUOTA), readyReplicas=0),
        deployments=(deployment(failure=QUOTA),),
        events=(event("ReplicaSet", f"minilm-{REVISION}-5d9f", "FailedCreate", QUOTA, at="11:59:50"),),
    ),
    "Triton was killed for memory and left its last log line": Evidence(
        model(
            *unready("OutOfMemory", "Container triton of pod p was killed when it had used all its node's memory."),
            readyReplicas=0,
        ),
        deployments=(deployment(),),
        pods=(pod(containers=[crashed("triton", 137, reason="OOMKilled"), running("frontend")]),),
        last_lines={ContainerRun(f"minilm-{REVISION}-x7k2p", "triton", previous=False): "loading layer 11 of 12"},
    ),
    "the engine died and is being loaded again": Evidence(
        model(*unready("EngineDied", "RuntimeError in step 812."), readyReplicas=0),
        deployments=(deployment(),),
        pods=(
            pod(containers=[{**crashed("triton", 137, message=DIED), "state": {"running": {}}}, running("frontend")]),
        ),
    ),
    "the frontend crashed with words of its own": Evidence(
        model(*unready("ContainerCrashed", "Container frontend ended."), readyReplicas=0),
        deployments=(deployment(),),
        pods=(pod(containers=[running("triton"), crashed("frontend", 1, message="ValueError: no chat template")]),),
    ),
    "kubelet cannot make a container": Evidence(
        model(
            *unready("ContainerConfigError", "Container prepare of pod p: no command specified"),
            readyReplicas=0,
        ),
        deployments=(deployment(),),
        pods=(pod(initContainerStatuses=[waiting("prepare", "CreateContainerConfigError", "no command specified")]),),
    ),
    "the weights are on their way": Evidence(
        model(*unready("Downloading", "The weights are being fetched and verified, 88Mi."), readyReplicas=0),
        deployments=(deployment(),),
        pods=(pod(initContainerStatuses=[running("prepare")]),),
    ),
    "Triton runs but is not ready": Evidence(
        model(*unready("Loading", "Triton is loading the model."), readyReplicas=0),
        deployments=(deployment(),),
        pods=(pod(containers=[running("triton"), running("frontend")]),),
        events=(event("Pod", f"minilm-{REVISION}-x7k2p", "Unhealthy", "Startup probe failed", at="11:59:58"),),
    ),
    "the older revision answers meanwhile": Evidence(
        model(
            *unready("Unschedulable", NO_ROOM, available="True"),
            readyReplicas=0,
            revisions={"current": REVISION, "stable": "99999999"},
        ),
        deployments=(deployment(), deployment(revision="99999999", ready=2, replicas=2)),
        pods=(pod(conditions=unscheduled(NO_NODE)),),
    ),
    "the source is not there": Evidence(
        model(
            *unready("SourceNotFound", "hf://org/minilm was not found.", resolved_as="False"), revisions={}, model=None
        ),
        jobs=(job(failed=1, failure="Pod failed with exit code 3 matching FailJob rule"),),
        pods=(
            pod(
                "qqqqq",
                labels=OF_JOB,
                phase="Failed",
                containers=[{**crashed("resolve", 3, message=GONE), "state": {}}],
            ),
        ),
    ),
    "the resolve Job is at work": Evidence(
        model(
            *unready("Resolving", "The resolve Job is reading what the model is.", resolved_as="Unknown"),
            revisions={},
            model=None,
        ),
        jobs=(job(),),
        pods=(pod("qqqqq", labels=OF_JOB, phase="Running", containers=[running("resolve")]),),
    ),
    "the resolve Job ended without a word": Evidence(
        model(*unready("ResolveFailed", NO_RESULT, resolved_as="False"), revisions={}, model=None),
        jobs=(job(failed=3, failure="Job has reached the specified backoff limit"),),
    ),
    "the resolve Job finds no node": Evidence(
        model(*unready("Unschedulable", NO_ROOM, resolved_as="Unknown"), revisions={}, model=None),
        jobs=(job(),),
        pods=(pod("qqqqq", labels=OF_JOB, conditions=unscheduled(NO_NODE)),),
    ),
    "the claim of the model is not there": Evidence(
        model(*unready("ClaimMissing", NO_CLAIM, resolved_as="Unknown"), revisions={}, model=None),
        jobs=(job(),),
        pods=(pod("qqqqq", labels=OF_JOB, conditions=unscheduled(CLAIM_NOT_FOUND)),),
    ),
    "a name that belongs to somebody else": Evidence(
        model(*unready("NameConflict", "Service minilm exists and is not Nereid's."), readyReplicas=0),
        deployments=(deployment(),),
    ),
    "scaled to zero": Evidence(
        model(*unready("ScaledToZero", "spec.replicas is 0, so nothing answers."), replicas=0),
        deployments=(deployment(replicas=0),),
    ),
    "one of two replicas is not ready and more than five Events": Evidence(
        model(*unready("Starting", "Containers are being started.", available="True"), replicas=2, readyReplicas=1),
        deployments=(deployment(ready=1, replicas=2),),
        pods=(ready_pod("aaaaa"), pod("bbbbb")),
        events=tuple(
            event(
                "Pod", f"minilm-{REVISION}-bbbbb", "Pulling", f"number {second}", at=f"11:59:{second:02}", warning=False
            )
            for second in range(10, 17)
        ),
    ),
    "a pod that its node has evicted": Evidence(
        model(*unready("Starting", "Pods are being created."), readyReplicas=0),
        deployments=(deployment(),),
        pods=(pod(phase="Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage."),),
    ),
    "a model that is being deleted": Evidence(
        {**model(), "metadata": {**model()["metadata"], "deletionTimestamp": "2026-05-04T12:00:00Z"}}
    ),
    "a reason of a later version": Evidence(model(*unready("SomethingNew", "It is new."), readyReplicas=0)),
}


@pytest.mark.parametrize(("name", "evidence"), CASES.items(), ids=CASES.keys())
def test_why(name: str, evidence: Evidence, golden: Callable[[str, str], None]):
    golden(f"why/{name}", explain(evidence, now=NOW))


@pytest.mark.parametrize("evidence", CASES.values(), ids=CASES.keys())
def test_every_answer_ends_with_what_to_do_next_unless_all_is_well(evidence: Evidence):
    *_, last = explain(evidence, now=NOW).splitlines()
    assert last.startswith(("Next: ", "minilm is ready: ", "minilm is being deleted"))
    assert "{" not in last
