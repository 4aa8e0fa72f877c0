"""Why are the pods not ready yet? Pod facts → one reason and one sentence. Pure; called by status.

The worst pod speaks: what needs a person (no node, no image, a crash) comes before what only needs time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nereid_operator.api.conditions import Reason
from nereid_operator.api.quantities import mebibytes
from nereid_operator.claims import claim_words
from nereid_operator.observe import ContainerFacts, DeploymentFacts, PodFacts, report
from nereid_operator.progress import sentence
from nereid_operator.refusals import refusal_reason, refusal_words
from nereid_operator.scheduling import plain

_IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_ENDED_PHASES = frozenset({"Failed", "Succeeded"})
_OUT_OF_MEMORY = "OOMKilled"
_LAST_WORDS = 400


@dataclass(frozen=True, slots=True)
class Wait:
    """Why something is not ready. `stuck` is True when time alone will not mend it."""

    reason: str
    message: str
    stuck: bool


def why_waiting(deployment: DeploymentFacts | None, pods: tuple[PodFacts, ...], *, size_bytes: int) -> Wait:
    """Return why a revision has not all its replicas; with no pods at all the Deployment speaks."""
    waits = [wait for pod in _speakers(pods) for wait in _pod_waits(pod, size_bytes)]
    stuck = next((wait for wait in waits if wait.stuck), None)
    if stuck is not None:
        return stuck
    if deployment is not None and deployment.replica_failure:
        return cannot_create(deployment.replica_failure)
    wait = waits[0] if waits else Wait(Reason.STARTING, "Pods are being created.", stuck=False)
    replaced = _replaced(pods)
    return wait if replaced is None else _after(replaced, wait)


def _replaced(pods: tuple[PodFacts, ...]) -> PodFacts | None:
    """Return the last pod that failed as a whole, while what took its place has not been ready yet."""
    failed = [pod for pod in pods if pod.failure]
    begun = all(pod.was_ready for pod in pods if not pod.terminating and not pod.ready and not has_ended(pod))
    return None if begun or not failed else max(failed, key=lambda pod: pod.created)


def _after(failed: PodFacts, wait: Wait) -> Wait:
    said = _failed(failed)
    return Wait(said.reason, f"{said.message.rstrip('. ')}. In its place: {wait.message}", stuck=False)


def cannot_create(message: str) -> Wait:
    """Return why pods cannot be created; the message has the cluster's words."""
    reason = refusal_reason(message, otherwise=Reason.POD_CREATION_FAILED)
    return Wait(reason, refusal_words(message), stuck=True)


def _speakers(pods: tuple[PodFacts, ...]) -> list[PodFacts]:
    """Return the pods that are not ready; those that ended for good speak only while none has taken their place."""
    unready = sorted((pod for pod in pods if not pod.terminating and not pod.ready), key=_fetched_ratio)
    return [pod for pod in unready if not has_ended(pod)] or unready


def has_ended(pod: PodFacts) -> bool:
    """Return whether the pod runs no more, and never will."""
    return pod.phase in _ENDED_PHASES


def _fetched_ratio(pod: PodFacts) -> float:
    """Return how much of the weights a pod has: of several that fetch, the one that is farthest behind speaks."""
    return pod.fetch.bytes_done / max(pod.fetch.bytes_total, 1) if pod.fetch else 0.0


def _pod_waits(pod: PodFacts, size_bytes: int) -> Iterator[Wait]:
    """Yield what holds a pod up, the worst first."""
    if pod.unschedulable:
        yield _unschedulable(pod)
        return
    if pod.failure:
        yield _failed(pod)
        return
    for container in (*pod.init_containers, *pod.containers):
        if (wait := _container_wait(pod, container)) is not None:
            yield wait
    yield _phase(pod, size_bytes)


def _unschedulable(pod: PodFacts) -> Wait:
    if (of_claim := claim_words(pod.unschedulable)) is not None:
        return Wait(*of_claim, stuck=True)
    return Wait(Reason.UNSCHEDULABLE, plain(pod.unschedulable, pod.requests), stuck=True)


def _failed(pod: PodFacts) -> Wait:
    reason = Reason.EVICTED if pod.failure.startswith("Evicted") else Reason.POD_FAILED
    return Wait(reason, f"Pod {pod.name} failed: {pod.failure}", stuck=True)


def _container_wait(pod: PodFacts, container: ContainerFacts) -> Wait | None:
    """Return why a container needs a person; None when it does not."""
    where = f"Container {container.name} of pod {pod.name}"
    if container.waiting_reason in _IMAGE_REASONS:
        return Wait(
            Reason.IMAGE_PULL_FAILED, f"{where}: {container.waiting_message or container.waiting_reason}", stuck=True
        )
    if container.waiting_reason in _CONFIG_REASONS:
        return Wait(
            Reason.CONTAINER_CONFIG_ERROR,
            f"{where}: {container.waiting_message or container.waiting_reason}",
            stuck=True,
        )
    if container.exit_code in (None, 0) or container.ready:
        return None
    if (said := report(container.termination_message)) and "reason" in said:
        return Wait(str(said["reason"]), str(said.get("message", "")), stuck=True)
    if container.exit_reason == _OUT_OF_MEMORY:
        limit = f"its memory limit of {container.memory_limit}" if container.memory_limit else "all its node's memory"
        return Wait(Reason.OUT_OF_MEMORY, f"{where} was killed when it had used {limit} (OOMKilled).", stuck=True)
    words = container.termination_message.strip()[-_LAST_WORDS:]
    ended = f"{where} ended with exit code {container.exit_code} ({container.exit_reason})"
    return Wait(Reason.CONTAINER_CRASHED, f"{ended}: {words}" if words else f"{ended}.", stuck=True)


def _phase(pod: PodFacts, size_bytes: int) -> Wait:
    if any(container.running for container in pod.init_containers):
        unknown = f"The weights are being fetched and verified, {mebibytes(size_bytes)}."
        return Wait(Reason.DOWNLOADING, sentence(pod.fetch) if pod.fetch else unknown, stuck=False)
    if any(container.running for container in pod.containers):
        return Wait(Reason.LOADING, "Triton is loading the model.", stuck=False)
    return Wait(Reason.STARTING, "Containers are being started.", stuck=False)
