"""What one pass learnt → the status of the ModelDeployment. Pure; called by the reconciler at the end of each pass.

Ready is True only when the revision of the *current* spec gets the requests and has all its replicas ready; Available
says whether anything answers. Messages may hold figures that tick: status_writes.py says when they are written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from nereid_operator.api.conditions import Condition, ConditionStatus, ConditionType, Reason, merge
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.resources import Body, Key
from nereid_operator.api.validation import Violation
from nereid_operator.observe import DeploymentFacts, PodFacts
from nereid_operator.plan.capacity import replica_memory
from nereid_operator.plan.fitness import Obstacle
from nereid_operator.plan.ir import Plan
from nereid_operator.plan.names import replica_selector, url
from nereid_operator.plan.resolution import (
    JobRefused,
    NotAsked,
    Podless,
    ReportLost,
    Resolution,
    Resolved,
    ResolveFailed,
    Resolving,
    still_asked,
)
from nereid_operator.plan.rollout import has_replicas
from nereid_operator.replica_states import phase_counts, replica_states
from nereid_operator.routing import Routing, degraded, why_not_routed
from nereid_operator.waiting import Wait, cannot_create, has_ended, why_waiting


@dataclass(frozen=True, slots=True)
class Problem:
    """What stops a pass: a refusal by the cluster, with its reason."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything one pass learnt. `plan` is None until the model is resolved, `stable` empty until something serves.

    `obstacle` is why a model that is resolved is not planned. `routing` is None where there is no gateway.
    """

    key: Key
    generation: int
    wanted_replicas: int
    violations: tuple[Violation, ...]
    resolution: Resolution
    problem: Problem | None
    plan: Plan | None
    stable: str
    deployments: tuple[DeploymentFacts, ...]
    pods: tuple[PodFacts, ...]
    obstacle: Obstacle | None = None
    routing: Routing | None = None


_ASKED = Wait(Reason.RESOLVING, "The resolve Job is reading what the model is.", stuck=False)


def summarize(reading: Reading, previous: Body, *, now: datetime) -> dict[str, Any]:
    """Return the whole status. `previous` is the status as it stands, for what has to be kept."""
    conditions = merge(
        _conditions(reading, previous), previous.get("conditions", ()), generation=reading.generation, now=now
    )
    counted = _current(reading) or _last_planned(reading, previous)
    status: dict[str, Any] = {
        "observedGeneration": reading.generation,
        "conditions": [condition.as_body() for condition in conditions],
        "replicas": counted.replicas if counted else 0,
        "readyReplicas": counted.ready_replicas if counted else 0,
        "replicaStates": replica_states(reading.pods, size_bytes=_size_bytes(reading)),
    }
    if model := _model(reading, previous):
        status["model"] = model
    if attempts := _attempts(reading, previous):
        status["resolveAttempts"] = attempts
    if reading.plan is None:
        return status | {name: previous[name] for name in ("url", "names", "selector", "revisions") if name in previous}
    return status | {
        **_address(reading),
        "selector": replica_selector(reading.key.name, reading.plan.rollout.current),
        "revisions": {
            "current": reading.plan.rollout.current,
            "stable": reading.plan.rollout.stable,
            **phase_counts(reading.pods, reading.plan.rollout.current),
        },
    }


def is_stale(reading: Reading, previous: Body) -> bool:
    """Return whether a reading can take nothing back: the Deployment's controller has not seen its newest spec yet.

    Any annotation on a Deployment makes it so for a moment, and what was Ready must not flicker for that.
    """
    current = _current(reading)
    if reading.problem is not None or current is None or current.observed:
        return False
    return _was_ready(reading, previous)


def ready_condition(status: Body) -> Mapping[str, Any]:
    """Return the Ready condition of a status; empty when it has none."""
    found: Iterable[Mapping[str, Any]] = (
        entry for entry in status.get("conditions", ()) if entry.get("type") == ConditionType.READY
    )
    return next(iter(found), {})


def _address(reading: Reading) -> dict[str, Any]:
    """Return where clients find the model, and by which names."""
    if reading.routing is None:
        return {"url": url(reading.key)}
    return {"url": reading.routing.url, "names": list(reading.routing.names)}


def _model(reading: Reading, previous: Body) -> Mapping[str, Any] | None:
    """Return the resolved facts; those of the last good spec stay while a new one is not resolved."""
    if isinstance(reading.resolution, Resolved):
        return {**reading.resolution.model.as_body(), **_memory(reading)}
    kept: Mapping[str, Any] | None = previous.get("model")
    return kept


def _attempts(reading: Reading, previous: Body) -> Mapping[str, Any] | None:
    """Return how often it was asked in vain, as long as it is asked at all."""
    asked = still_asked(reading.resolution)
    if isinstance(asked, ResolveFailed):
        return asked.attempts.as_body()
    kept: Mapping[str, Any] | None = previous.get("resolveAttempts")
    return None if asked is None else kept


def _memory(reading: Reading) -> Mapping[str, str]:
    memory = replica_memory(reading.plan.revision) if reading.plan else None
    return {"memory": memory} if memory else {}


def _conditions(reading: Reading, previous: Body) -> tuple[Condition, ...]:
    wait = _wait(reading, previous)
    return (
        _accepted(reading),
        _resolved(reading),
        _available(reading),
        _progressing(reading, wait),
        *(() if reading.routing is None else (degraded(reading.routing),)),
        _ready(reading, wait),
    )


def _accepted(reading: Reading) -> Condition:
    if reading.violations:
        message = "; ".join(str(violation) for violation in reading.violations)
        return Condition(ConditionType.ACCEPTED, ConditionStatus.FALSE, reading.violations[0].reason, message)
    return Condition(ConditionType.ACCEPTED, ConditionStatus.TRUE, Reason.ACCEPTED, "The spec is valid.")


def _resolved(reading: Reading) -> Condition:
    kind = ConditionType.RESOLVED
    if reading.violations:
        message = "The spec is not accepted, so the model was not looked at."
        return Condition(kind, ConditionStatus.UNKNOWN, reading.violations[0].reason, message)
    if isinstance(reading.resolution, NotAsked) and reading.problem is not None:
        return Condition(kind, ConditionStatus.UNKNOWN, reading.problem.reason, reading.problem.message)
    match reading.resolution:
        case Resolved(model, refreshing):
            reason, more = _refresh(refreshing)
            return Condition(kind, ConditionStatus.TRUE, reason, f"{_resolved_message(model)}{more}")
        case ResolveFailed(reason, message):
            return Condition(kind, ConditionStatus.FALSE, reason, message)
        case JobRefused(reason, message):
            return Condition(kind, ConditionStatus.UNKNOWN, reason, message)
        case Resolving() | Podless() | NotAsked() | ReportLost():
            wait = _resolving(reading)
            return Condition(kind, ConditionStatus.UNKNOWN, wait.reason, wait.message)


def _refresh(refreshing: Resolution | None) -> tuple[str, str]:
    """Return the reason of a model that is known, and what is to be added about a refresh of it."""
    match refreshing:
        case None:
            return Reason.RESOLVED, ""
        case ResolveFailed(reason, message) | JobRefused(reason, message):
            return Reason.REFRESH_FAILED, f" The refresh failed ({reason}): {message}"
        case Podless() as podless:
            return Reason.REFRESHING, f" {_podless(podless).message}"
        case _:
            return Reason.REFRESHING, " A resolve Job is reading what the model is now."


def _resolved_message(model: ResolvedModel) -> str:
    return f"Revision {model.revision}, {model.files} files, {model.size_bytes} bytes, {model.digest}."


def _available(reading: Reading) -> Condition:
    kind = ConditionType.AVAILABLE
    serving = next((facts for facts in reading.deployments if facts.revision == reading.stable), None)
    if serving is not None and serving.ready_replicas > 0:
        return Condition(kind, ConditionStatus.TRUE, Reason.SERVING, f"Revision {serving.revision} is serving.")
    if reading.wanted_replicas == 0 and not reading.violations:
        return Condition(kind, ConditionStatus.FALSE, Reason.SCALED_TO_ZERO, "spec.replicas is 0.")
    return Condition(kind, ConditionStatus.FALSE, Reason.NO_REPLICAS_READY, "No replica answers.")


def _progressing(reading: Reading, wait: Wait | None) -> Condition:
    kind = ConditionType.PROGRESSING
    if wait is None:
        return Condition(kind, ConditionStatus.FALSE, Reason.ROLLED_OUT, "The current spec is rolled out.")
    if wait.stuck:
        return Condition(kind, ConditionStatus.FALSE, wait.reason, wait.message)
    reason = Reason.RESOLVING if reading.plan is None else Reason.ROLLING_OUT
    return Condition(kind, ConditionStatus.TRUE, reason, wait.message)


def _ready(reading: Reading, wait: Wait | None) -> Condition:
    kind = ConditionType.READY
    if wait is not None:
        return Condition(kind, ConditionStatus.FALSE, wait.reason, wait.message)
    if reading.wanted_replicas == 0:
        return Condition(kind, ConditionStatus.FALSE, Reason.SCALED_TO_ZERO, "spec.replicas is 0, so nothing answers.")
    return Condition(
        kind,
        ConditionStatus.TRUE,
        Reason.READY,
        f"{reading.wanted_replicas} of {reading.wanted_replicas} replicas are ready.",
    )


def _wait(reading: Reading, previous: Body) -> Wait | None:
    """Return what stands between now and the current spec being served; None when nothing does."""
    if reading.violations:
        message = "; ".join(str(violation) for violation in reading.violations)
        return Wait(reading.violations[0].reason, message, stuck=True)
    if isinstance(reading.resolution, ResolveFailed | JobRefused):
        return Wait(reading.resolution.reason, reading.resolution.message, stuck=True)
    if stopped := reading.problem or reading.obstacle:
        return Wait(stopped.reason, stopped.message, stuck=True)
    if reading.plan is None:
        return _resolving(reading)
    pods = tuple(pod for pod in reading.pods if pod.revision == reading.plan.rollout.current)
    if has_replicas(_current(reading), reading.wanted_replicas) and reading.stable == reading.plan.rollout.current:
        return _routed(reading, pods, previous)
    return why_waiting(_current(reading), pods, size_bytes=_size_bytes(reading))


def _routed(reading: Reading, pods: tuple[PodFacts, ...], previous: Body) -> Wait | None:
    """Return why clients do not reach replicas that are ready; None when they do."""
    if reading.routing is None or reading.wanted_replicas == 0:
        return None
    return why_not_routed(reading.routing, pods, was_ready=_was_ready(reading, previous))


def _was_ready(reading: Reading, previous: Body) -> bool:
    """Return whether status says already that this very spec is Ready."""
    ready, current = ready_condition(previous), _current(reading)
    same_revision = current is not None and previous.get("revisions", {}).get("current") == current.revision
    is_current = same_revision and ready.get("observedGeneration") == reading.generation
    return is_current and ready.get("status") == "True"


def _resolving(reading: Reading) -> Wait:
    """Return why the resolve Job has not answered: its pod cannot start, or an attempt failed; else it needs time."""
    if isinstance(reading.resolution, Podless):
        return _podless(reading.resolution)
    job = reading.resolution.job if isinstance(reading.resolution, Resolving) else ""
    pods = [pod for pod in reading.pods if job and pod.job == job]
    newest_first = sorted(pods, key=lambda pod: pod.created, reverse=True)
    waits = [(pod, why_waiting(None, (pod,), size_bytes=0)) for pod in newest_first]
    pod, wait = next(((pod, wait) for pod, wait in waits if wait.stuck), (None, _ASKED))
    if pod is None or not has_ended(pod):
        return wait
    return Wait(wait.reason, f"{wait.message.rstrip('. ')}. The resolve Job tries again.", stuck=False)


def _podless(found: Podless) -> Wait:
    """Return why the Job has no pod: who refuses it, as with the pods of a Deployment."""
    if not found.words:
        words = f"Job {found.job} has no pod, and no Event says why: kubectl describe job {found.job}"
        return Wait(Reason.POD_CREATION_FAILED, words, stuck=True)
    wait = cannot_create(found.words)
    return replace(wait, message=f"Job {found.job} cannot create its pod: {wait.message}")


def _current(reading: Reading) -> DeploymentFacts | None:
    if reading.plan is None:
        return None
    return next((facts for facts in reading.deployments if facts.revision == reading.plan.rollout.current), None)


def _last_planned(reading: Reading, previous: Body) -> DeploymentFacts | None:
    """Return the revision that `revisions` and `selector` go on to speak of while there is no plan for the new spec."""
    if reading.plan is not None:
        return None
    revision = previous.get("revisions", {}).get("current", reading.stable)
    return next((facts for facts in reading.deployments if facts.revision == revision), None)


def _size_bytes(reading: Reading) -> int:
    return reading.resolution.model.size_bytes if isinstance(reading.resolution, Resolved) else 0
