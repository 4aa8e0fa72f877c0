"""The pods of a model → `status.replicaStates` and the counts in `status.revisions`. Pure; called by status."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from nereid_operator.observe import ContainerFacts, PodFacts, is_fetching, report
from nereid_operator.waiting import Wait, why_waiting

MOST_STATES = 50
MESSAGE_LIMIT = 200


class ReplicaPhase(StrEnum):
    """Where a replica is on its way, the worst first."""

    FAILED = "Failed"  # evicted, preempted or ended: it does not come back under this name
    PENDING = "Pending"  # no node yet, or its containers are being started
    FETCHING = "Fetching"  # `prepare` fetches and verifies the weights
    LOADING = "Loading"  # Triton loads the model
    TERMINATING = "Terminating"  # it is going
    READY = "Ready"  # it answers


_ORDER = {phase: place for place, phase in enumerate(ReplicaPhase)}


def replica_phase(pod: PodFacts) -> ReplicaPhase:
    """Return where a replica is."""
    if pod.terminating:
        return ReplicaPhase.TERMINATING
    if pod.phase in ("Failed", "Succeeded"):
        return ReplicaPhase.FAILED
    if pod.ready:
        return ReplicaPhase.READY
    if is_fetching(pod):
        return ReplicaPhase.FETCHING
    return ReplicaPhase.LOADING if any(container.running for container in pod.containers) else ReplicaPhase.PENDING


def phase_counts(pods: Iterable[PodFacts], revision: str) -> dict[str, int]:
    """Return how many replicas of a revision are in each phase that leads to serving."""
    counted = Counter(replica_phase(pod) for pod in pods if pod.revision == revision)
    wanted = (ReplicaPhase.PENDING, ReplicaPhase.FETCHING, ReplicaPhase.LOADING, ReplicaPhase.READY)
    return {phase.lower(): counted[phase] for phase in wanted}


def replica_states(pods: Iterable[PodFacts], *, size_bytes: int) -> list[dict[str, Any]]:
    """Return the replicas of all revisions, the worst first, at most 50."""
    described = [(pod, _wait(pod, size_bytes)) for pod in pods if pod.revision]
    described.sort(key=lambda entry: _badness(*entry))
    return [replica_state(pod, wait) for pod, wait in described[:MOST_STATES]]


def replica_state(pod: PodFacts, wait: Wait | None) -> dict[str, Any]:
    """Return one replica; what there is nothing to say of is left out."""
    state = {
        "name": pod.name,
        "revision": pod.revision,
        "phase": str(replica_phase(pod)),
        "reason": str(wait.reason) if wait else "",
        "message": wait.message[:MESSAGE_LIMIT] if wait else "",
        "restarts": sum(container.restarts for container in _containers(pod)),
        "lastCrash": "; ".join(_crash(container) for container in _containers(pod) if _crash(container))[
            :MESSAGE_LIMIT
        ],
    }
    return {name: value for name, value in state.items() if value not in ("", 0)}


def _badness(pod: PodFacts, wait: Wait | None) -> tuple[bool, int, int, str]:
    restarts = sum(container.restarts for container in _containers(pod))
    return wait is None or not wait.stuck, _ORDER[replica_phase(pod)], -restarts, pod.name


def _wait(pod: PodFacts, size_bytes: int) -> Wait | None:
    """Return what a replica waits for; None when it is ready or going."""
    if pod.ready or pod.terminating:
        return None
    return why_waiting(None, (pod,), size_bytes=size_bytes)


def _containers(pod: PodFacts) -> tuple[ContainerFacts, ...]:
    return (*pod.init_containers, *pod.containers)


def _crash(container: ContainerFacts) -> str:
    """Return how a container's last run ended, when it did not end well."""
    if container.exit_code in (None, 0):
        return ""
    ended = f"{container.name} ended with exit code {container.exit_code}"
    said = report(container.termination_message)
    if said is None or "reason" not in said:
        return f"{ended} ({container.exit_reason})"
    return f"{ended} ({said['reason']}: {said.get('message', '')})"
