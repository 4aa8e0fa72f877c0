"""What below a ModelDeployment holds it up: the resolve Job or the Deployment, and their pods. Pure; called by why.

The words for a pod are those of waiting.py, so that the command and the conditions never contradict each other; here
come the last log line, and which containers are not ready.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nereid_operator.api.model_status import recorded_model
from nereid_operator.api.resources import LABEL_JOB_NAME, LABEL_REVISION, Body
from nereid_operator.cli.evidence import Evidence, silent_failures
from nereid_operator.cli.text import counted, sentence
from nereid_operator.observe import PodFacts, deployment_facts, job_facts, pod_facts
from nereid_operator.waiting import Wait, why_waiting

_MOST_PODS = 4


@dataclass(frozen=True, slots=True)
class Cause:
    """Objects of one kind and what is the matter with them; more than one when all say the same."""

    kind: str
    objects: tuple[str, ...]
    text: str

    @property
    def first(self) -> str:
        """Return the name of one of the objects."""
        return self.objects[0]

    @property
    def names(self) -> str:
        """Return the names as a person would list them."""
        others = len(self.objects) - 1
        return f"{self.first} and {others} more" if others else self.first


def job_causes(evidence: Evidence) -> Iterator[Cause]:
    """Yield what the resolve Job and its pods say."""
    jobs = [body for body in evidence.jobs if not job_facts(body).terminating]
    if not jobs:
        return
    job = max(jobs, key=_created)
    name = job["metadata"]["name"]
    yield Cause("Job", (name,), _job_words(job))
    newest = sorted(_labelled(evidence.pods, LABEL_JOB_NAME, name), key=_created, reverse=True)
    # A failed attempt is history as soon as a later one is there; one at work has nothing to add to the Job's words.
    yield from _pod_causes(evidence, filter(_is_stuck, newest[:1]))


def deployment_causes(evidence: Evidence) -> Iterator[Cause]:
    """Yield what the Deployment of the current revision, the older one that still serves, and the pods say."""
    revisions = evidence.model.get("status", {}).get("revisions", {})
    current = _of_revision(evidence.deployments, revisions.get("current", ""))
    if current is None:
        return
    facts = deployment_facts(current)
    counts = f"{facts.ready_replicas} of {counted(facts.spec_replicas, 'replica')} ready."
    failure = f" It cannot create pods: {sentence(facts.replica_failure)}" if facts.replica_failure else ""
    yield Cause("Deployment", (facts.name,), f"{counts}{failure}")
    yield from _pod_causes(evidence, _labelled(evidence.pods, LABEL_REVISION, facts.revision))
    yield from _serving_meanwhile(evidence, str(revisions.get("stable", "")), current=facts.revision)


def _serving_meanwhile(evidence: Evidence, stable: str, *, current: str) -> Iterator[Cause]:
    body = _of_revision(evidence.deployments, stable) if stable != current else None
    if body is not None and (ready := deployment_facts(body).ready_replicas):
        text = f"the older revision {stable} answers meanwhile, with {counted(ready, 'replica')}."
        yield Cause("Deployment", (body["metadata"]["name"],), text)


def _pod_causes(evidence: Evidence, bodies: Iterable[Body]) -> Iterator[Cause]:
    """Yield the pods that are not ready, those that say the same together, what is stuck first."""
    model = recorded_model(evidence.model.get("status", {}))
    groups: dict[tuple[bool, str], list[str]] = {}
    for body in bodies:
        pod = pod_facts(body)
        if pod.ready or pod.terminating or pod.phase == "Succeeded":
            continue
        wait = why_waiting(None, (pod,), size_bytes=model.size_bytes if model else 0)
        groups.setdefault((not wait.stuck, _pod_words(evidence, body, pod, wait)), []).append(pod.name)
    for (_, words), names in sorted(groups.items())[:_MOST_PODS]:
        yield Cause("Pod" if len(names) == 1 else "Pods", tuple(sorted(names)), words)


def _is_stuck(body: Body) -> bool:
    return why_waiting(None, (pod_facts(body),), size_bytes=0).stuck


def _pod_words(evidence: Evidence, body: Body, pod: PodFacts, wait: Wait) -> str:
    status = body.get("status", {})
    if status.get("phase") == "Failed" and status.get("reason"):
        return f"{status['reason']}: {sentence(status.get('message', 'the node ended it'))}"
    message = wait.message.replace(f" of pod {pod.name}", "")
    parts = [f"{wait.reason}: {sentence(message)}"]
    lines = [evidence.last_lines.get(run, "") for run in silent_failures([body])]
    parts += [f"Its last log line: {sentence(line)}" for line in lines if line]
    if waiting := [container.name for container in pod.containers if container.running and not container.ready]:
        parts.append(f"Running but not ready: {', '.join(waiting)}.")
    return " ".join(parts)


def _job_words(body: Body) -> str:
    facts, status = job_facts(body), body.get("status", {})
    if facts.succeeded:
        return "it has succeeded; the operator has not taken its answer yet."
    attempts = counted(status.get("failed", 0), "attempt")
    if facts.failed:
        return f"it has failed after {attempts}. {sentence(facts.failure) if facts.failure else ''}".rstrip()
    failed = f", {attempts} failed so far" if status.get("failed") else ""
    return f"it is reading what the model is{failed}."


def _of_revision(deployments: Iterable[Body], revision: str) -> Body | None:
    found = _labelled(deployments, LABEL_REVISION, revision)
    return found[0] if revision and found else None


def _labelled(bodies: Iterable[Body], label: str, value: str) -> list[Body]:
    return [body for body in bodies if body["metadata"].get("labels", {}).get(label) == value]


def _created(body: Body) -> str:
    return str(body["metadata"].get("creationTimestamp", ""))
