"""Objects of the cluster → small facts. What is read from a pod, Job or Deployment is read here and nowhere else.

Pure. Comes in: bodies as the API server gives them. Goes out: frozen facts for the planner and for status. The cache
keeps pods as facts, since they are many and large.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nereid_operator.amounts import Amounts
from nereid_operator.api.resources import (
    ANNOTATION_ATTEMPT,
    ANNOTATION_EGRESS,
    ANNOTATION_REPLICAS,
    ANNOTATION_SERVING_REPLICAS,
    JOB,
    LABEL_JOB_NAME,
    LABEL_REVISION,
    MODEL_DEPLOYMENT,
    Body,
)
from nereid_operator.pod_requests import pod_requests
from nereid_operator.progress import FetchProgress

# kubelet sets a pod's first conditions within this time.
_TAKING = timedelta(seconds=10)
# The garbage collector deletes what an owner leaves within seconds, some more where it has thousands to delete.
_COLLECTING = timedelta(seconds=30)

_REASON = re.compile(r"[A-Za-z][A-Za-z0-9]{0,127}")  # as in conditions: one word in CamelCase
_COUNT = re.compile(r"[1-9][0-9]{0,9}")  # what anybody wrote into an annotation has to fit into status
_REPLICAS = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """One container of a pod. `waiting_reason` is empty unless it waits, `exit_code` None unless one run has ended.

    `memory_limit` is a Quantity, empty where there is none.
    """

    name: str
    running: bool
    ready: bool
    waiting_reason: str
    waiting_message: str
    exit_code: int | None
    exit_reason: str
    termination_message: str
    restarts: int
    memory_limit: str


@dataclass(frozen=True, slots=True)
class PodFacts:
    """One pod. `revision` is set on replicas, `job` and `job_uid` on pods of a Job.

    `unschedulable` holds the scheduler's words, `requests` what it asks of the scheduler while that finds no node.
    `was_ready` is True also of one that is ready no more. `failure` says why the pod as a whole failed (evicted,
    preempted): kubelet's reason and words. `fetch` is what `prepare` itself tells, which no object of the API server
    says.
    """

    name: str
    uid: str
    ip: str
    revision: str
    job: str
    job_uid: str
    created: str
    phase: str
    ready: bool
    was_ready: bool
    terminating: bool
    unschedulable: str
    requests: Amounts
    failure: str
    init_containers: tuple[ContainerFacts, ...]
    containers: tuple[ContainerFacts, ...]
    fetch: FetchProgress | None = None


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """The Deployment of one revision.

    `observed` is False while its controller has not seen the newest spec; `completed` is True once it had all its
    replicas, and stays so when they fail later. `task` and `served_name` are what its pods were told to serve, empty
    where that cannot be told.
    """

    name: str
    revision: str
    created: str
    observed: bool
    completed: bool
    spec_replicas: int
    replicas: int
    updated_replicas: int
    ready_replicas: int
    replica_failure: str
    task: str = ""
    served_name: str = ""


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What served when a question was asked: `kept` pods, while `replicas` were wanted of what was asked about."""

    replicas: int
    kept: int


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A Job. What is said of its failure is empty unless it failed.

    `failed_at` and `started` are RFC 3339 times; `attempt` counts the Jobs of this name from 1. `egress_hash` is over
    where it was allowed to look, empty when nothing was said of that. `meanwhile` is None when nothing served.
    """

    name: str
    uid: str
    succeeded: bool
    failed: bool
    failure: str
    failed_at: str
    attempt: int
    terminating: bool
    started: str
    had_pods: bool
    egress_hash: str
    meanwhile: Meanwhile | None


def pod_facts(body: Body) -> PodFacts:
    """Return what matters of a pod."""
    metadata, status = body["metadata"], body.get("status", {})
    labels = metadata.get("labels", {})
    conditions = _conditions(status)
    unschedulable = _unschedulable(conditions.get("PodScheduled", {}))
    limits = _memory_limits(body.get("spec", {}))
    return PodFacts(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        ip=status.get("podIP", ""),
        revision=labels.get(LABEL_REVISION, ""),
        job=labels.get(LABEL_JOB_NAME, ""),
        job_uid=_job_uid(body),
        created=metadata.get("creationTimestamp", ""),
        phase=status.get("phase", "Pending"),
        ready=conditions.get("Ready", {}).get("status") == "True",
        was_ready=_was_ready(conditions.get("Ready", {}), status.get("startTime", "")),
        terminating="deletionTimestamp" in metadata,
        unschedulable=unschedulable,
        requests=pod_requests(body["spec"]) if unschedulable and "spec" in body else {},
        failure=_failure(status),
        init_containers=tuple(_container_facts(entry, limits) for entry in status.get("initContainerStatuses", ())),
        containers=tuple(_container_facts(entry, limits) for entry in status.get("containerStatuses", ())),
    )


def _was_ready(condition: Body, started: str) -> bool:
    """Return whether a pod is or was ready: kubelet says no when it takes it, and then again only after a yes."""
    if condition.get("status") == "True":
        return True
    changed = condition.get("lastTransitionTime", "")
    if not changed or not started:
        return False
    return datetime.fromisoformat(changed) - datetime.fromisoformat(started) > _TAKING


def _unschedulable(condition: Body) -> str:
    message: str = condition.get("message", "")
    return message if condition.get("reason") == "Unschedulable" else ""


def _job_uid(body: Body) -> str:
    owners = (reference for reference in _owner_references(body) if reference.get("kind") == JOB.kind)
    return next((str(reference["uid"]) for reference in owners), "")


def _failure(status: Body) -> str:
    words = (status.get("reason", ""), status.get("message", ""))
    return ": ".join(word for word in words if word) if status.get("phase") == "Failed" else ""


def _memory_limits(spec: Body) -> Mapping[str, str]:
    """Return the memory limit of each container that has one."""
    containers = (*spec.get("initContainers", ()), *spec.get("containers", ()))
    limits = {entry.get("name", ""): entry.get("resources", {}).get("limits", {}) for entry in containers}
    return {name: limit["memory"] for name, limit in limits.items() if "memory" in limit}


def _container_facts(status: Body, memory_limits: Mapping[str, str]) -> ContainerFacts:
    state = status.get("state", {})
    waiting = state.get("waiting", {})
    ended = state.get("terminated") or status.get("lastState", {}).get("terminated") or {}
    return ContainerFacts(
        name=status["name"],
        running="running" in state,
        ready=bool(status.get("ready")),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        exit_code=ended.get("exitCode"),
        exit_reason=ended.get("reason", ""),
        termination_message=ended.get("message", ""),
        restarts=status.get("restartCount", 0),
        memory_limit=memory_limits.get(status["name"], ""),
    )


def is_fetching(pod: PodFacts) -> bool:
    """Return whether `prepare` runs in the pod."""
    return not pod.terminating and any(container.running for container in pod.init_containers)


def deployment_facts(body: Body) -> DeploymentFacts:
    """Return what matters of a revision's Deployment."""
    metadata, status = body["metadata"], body.get("status", {})
    conditions = _conditions(status)
    failure = conditions.get("ReplicaFailure", {})
    return DeploymentFacts(
        name=metadata["name"],
        revision=metadata.get("labels", {}).get(LABEL_REVISION, ""),
        created=metadata.get("creationTimestamp", ""),
        observed=status.get("observedGeneration", 0) >= metadata.get("generation", 1),
        completed=conditions.get("Progressing", {}).get("reason") == "NewReplicaSetAvailable",
        spec_replicas=body["spec"].get("replicas", 1),
        replicas=status.get("replicas", 0),
        updated_replicas=status.get("updatedReplicas", 0),
        ready_replicas=status.get("readyReplicas", 0),
        replica_failure=failure.get("message", "") if failure.get("status") == "True" else "",
        task=_frontend_argument(body, "--task="),
        served_name=_frontend_argument(body, "--served-name="),
    )


def _frontend_argument(deployment: Body, flag: str) -> str:
    """Return what the container `frontend` of a revision is told by a flag; empty when it is told nothing."""
    containers = deployment["spec"].get("template", {}).get("spec", {}).get("containers", ())
    arguments = (str(word) for entry in containers if entry.get("name") == "frontend" for word in entry.get("args", ()))
    return next((word.removeprefix(flag) for word in arguments if word.startswith(flag)), "")


def job_facts(body: Body) -> JobFacts:
    """Return what matters of a Job."""
    conditions = _conditions(body.get("status", {}))
    failed = conditions.get("Failed", {})
    annotations = body["metadata"].get("annotations", {})
    attempt: str = annotations.get(ANNOTATION_ATTEMPT, "")
    return JobFacts(
        name=body["metadata"]["name"],
        uid=body["metadata"].get("uid", ""),
        succeeded=conditions.get("Complete", {}).get("status") == "True",
        failed=failed.get("status") == "True",
        failure=failed.get("message", ""),
        failed_at=failed.get("lastTransitionTime", ""),
        attempt=int(attempt) if _COUNT.fullmatch(attempt) else 1,
        terminating="deletionTimestamp" in body["metadata"],
        started=body.get("status", {}).get("startTime", ""),
        had_pods=any(body.get("status", {}).get(count) for count in ("active", "failed", "succeeded")),
        egress_hash=annotations.get(ANNOTATION_EGRESS, ""),
        meanwhile=_meanwhile(annotations),
    )


def _meanwhile(annotations: Mapping[str, str]) -> Meanwhile | None:
    counts = [annotations.get(name, "") for name in (ANNOTATION_REPLICAS, ANNOTATION_SERVING_REPLICAS)]
    return Meanwhile(*map(int, counts)) if all(map(_REPLICAS.fullmatch, counts)) else None


def accelerators(deployment: Body) -> int:
    """Return how many devices each pod of a Deployment asks for: what is named like one."""
    asked = pod_requests(deployment["spec"]["template"]["spec"])
    return int(sum(pieces for name, pieces in asked.items() if "/" in name))


def refused_pod(events: Iterable[Body]) -> str:
    """Return the newest words of a controller's Events about a pod that it cannot create; empty when there are none."""
    newest = max(events, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", default={})
    return str(newest.get("message", ""))


def selected_revision(service: Body | None) -> str:
    """Return the revision that a Service sends requests to; empty when there is no Service or it names none."""
    if service is None:
        return ""
    revision: str = service.get("spec", {}).get("selector", {}).get(LABEL_REVISION, "")
    return revision


def report(message: str) -> Mapping[str, Any] | None:
    """Return the JSON object that a command of the image left as termination message; None when it left none.

    A reason that no condition can have makes it no report: the API server would refuse the whole status for it.
    """
    try:
        parsed = json.loads(message)
    except ValueError:
        return None
    if not isinstance(parsed, dict):
        return None
    return parsed if "reason" not in parsed or _REASON.fullmatch(str(parsed["reason"])) else None


def is_owned(body: Body, uid: str) -> bool:
    """Return whether the object's controller is the owner with this uid."""
    return any(reference.get("uid") == uid and reference.get("controller") for reference in _owner_references(body))


def is_managed(body: Body, manager: str) -> bool:
    """Return whether the manager holds any field of the object."""
    return any(entry.get("manager") == manager for entry in body["metadata"].get("managedFields", ()))


def is_left_by_earlier(body: Body, owner: str) -> bool:
    """Return whether a ModelDeployment of this name is the controller: an earlier one, when it is not the owner."""
    return any(
        reference.get("controller")
        and (reference.get("apiVersion"), reference.get("kind"))
        == (MODEL_DEPLOYMENT.api_version, MODEL_DEPLOYMENT.kind)
        and reference.get("name") == owner
        for reference in _owner_references(body)
    )


def is_overlooked(body: Body, owner: Body, *, now: datetime) -> bool:
    """Return whether the garbage collector has overlooked that the earlier owner of this name is gone.

    It does when that one was deleted and made again while its watch was cut: it is told of a change then, and of no
    deletion (kubernetes/kubernetes#133565). What is older than the owner cannot belong to a later one, of which a
    watch has yet to tell.
    """
    metadata = owner["metadata"]
    if is_owned(body, metadata["uid"]) or not is_left_by_earlier(body, metadata["name"]):
        return False
    made = datetime.fromisoformat(metadata["creationTimestamp"])
    return now - made >= _COLLECTING and datetime.fromisoformat(body["metadata"]["creationTimestamp"]) < made


def _owner_references(body: Body) -> Iterator[Body]:
    yield from body.get("metadata", {}).get("ownerReferences", ())


def _conditions(status: Body) -> dict[str, Body]:
    return {condition["type"]: condition for condition in status.get("conditions", ())}
