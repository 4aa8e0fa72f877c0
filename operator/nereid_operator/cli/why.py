"""`nereid why`: the causal chain from the ModelDeployment down, in plain words. Evidence → text, pure.

conditions that do not hold → the object below that causes it → the latest Events about them → what to do next

A model that is ready gets one sentence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from nereid_operator.api.conditions import ConditionStatus, ConditionType, Reason
from nereid_operator.api.resources import Body
from nereid_operator.cli.advice import next_step
from nereid_operator.cli.causes import Cause, deployment_causes, job_causes
from nereid_operator.cli.evidence import Evidence
from nereid_operator.cli.latest import latest_events
from nereid_operator.cli.text import counted, sentence

# What is True when all is well; Progressing is no verdict of its own, and only speaks when it says something new.
_VERDICTS = (ConditionType.READY, ConditionType.ACCEPTED, ConditionType.RESOLVED, ConditionType.AVAILABLE)
_SPEC_REASONS = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.POLICY_VIOLATION,
        Reason.POLICY_INVALID,
        Reason.NAME_CONFLICT,
        Reason.APPLY_REFUSED,
        Reason.SCALED_TO_ZERO,
    }
)


# Reasons of this command's own, for when status itself says nothing, or nothing of the newest spec.
_UNSEEN, _BEHIND = "Unseen", "StatusBehind"
_HEADLINES = {
    _UNSEEN: "{name}: the operator has not looked at it yet.",
    _BEHIND: "{name}: the operator has not acted on its newest spec yet.",
}


@dataclass(frozen=True, slots=True)
class _Verdict:
    reason: str
    text: str


def explain(evidence: Evidence, *, now: datetime) -> str:
    """Return why the model is not ready, or one sentence when it is."""
    model, name = evidence.model, _name(evidence.model)
    if "deletionTimestamp" in model["metadata"]:
        return f"{name} is being deleted, and all that belongs to it."
    verdicts = tuple(_verdicts(model))
    if not verdicts:
        return _healthy(model)
    causes = tuple(_causes(evidence))
    reason = verdicts[0].reason
    lines = [_HEADLINES.get(reason, "{name} is not ready: {reason}.").format(name=name, reason=reason), ""]
    lines += [f"{number}. {text}" for number, text in enumerate(_chain(model, verdicts, causes), start=1)]
    if events := latest_events(evidence, causes, now=now):
        lines += ["", "Latest events:", *events]
    return "\n".join([*lines, "", f"Next: {_next(model, reason, causes)}"])


def _chain(model: Body, verdicts: tuple[_Verdict, ...], causes: tuple[Cause, ...]) -> Iterator[str]:
    for verdict in verdicts:
        yield f"ModelDeployment {_name(model)}: {verdict.text}"
    for cause in causes:
        yield f"{cause.kind} {cause.names}: {cause.text}"


def _verdicts(model: Body) -> Iterator[_Verdict]:
    """Yield what does not hold, Ready first; a condition that only repeats another's words is left out."""
    status = model.get("status", {})
    conditions = {entry["type"]: entry for entry in status.get("conditions", ())}
    if ConditionType.READY not in conditions:
        yield _Verdict(_UNSEEN, "it has no status: the operator has not seen it, or is not running.")
        return
    if (stale := _stale(model)) is not None:
        yield stale
    said = set[str]()
    for kind in (*_VERDICTS, ConditionType.PROGRESSING):
        condition = conditions.get(kind)
        if condition is None or _holds(condition) or condition["message"] in said:
            continue
        said.add(condition["message"])
        text = f"{kind} is {condition['status']} ({condition['reason']}): {sentence(condition['message'])}"
        yield _Verdict(condition["reason"], text)


def _holds(condition: Body) -> bool:
    if condition["type"] == ConditionType.PROGRESSING:
        return str(condition["status"]) == ConditionStatus.TRUE or str(condition["reason"]) == Reason.ROLLED_OUT
    return str(condition["status"]) == ConditionStatus.TRUE


def _stale(model: Body) -> _Verdict | None:
    wanted, seen = model["metadata"].get("generation", 0), model["status"].get("observedGeneration", 0)
    if seen >= wanted:
        return None
    text = f"status speaks of generation {seen} of the spec, the newest is {wanted}: the operator is behind."
    return _Verdict(_BEHIND, text)


def _causes(evidence: Evidence) -> Iterator[Cause]:
    """Yield what below the ModelDeployment holds it up, from the top down."""
    conditions = {entry["type"]: entry for entry in evidence.model.get("status", {}).get("conditions", ())}
    if conditions.get(ConditionType.READY, {}).get("reason") in _SPEC_REASONS:
        return
    if conditions.get(ConditionType.RESOLVED, {}).get("status") == ConditionStatus.TRUE:
        yield from deployment_causes(evidence)
        return
    if conditions:
        yield from job_causes(evidence)


def _next(model: Body, reason: str, causes: tuple[Cause, ...]) -> str:
    if reason in _HEADLINES:
        return "Check that the operator is running: kubectl get pods -A -l app.kubernetes.io/name=nereid-operator"
    return next_step(
        reason,
        name=_name(model),
        namespace=model["metadata"]["namespace"],
        job=next((cause.first for cause in causes if cause.kind == "Job"), ""),
        pod=next((cause.first for cause in causes if cause.kind.startswith("Pod")), ""),
    )


def _healthy(model: Body) -> str:
    status = model["status"]
    revision = status.get("revisions", {}).get("stable", "")
    served = f" (revision {revision})" if revision else ""
    replicas = counted(status.get("readyReplicas", 0), "replica")
    called = f" as {names[-1]}" if (names := status.get("names")) else ""
    return f"{_name(model)} is ready: {replicas} answering at {status.get('url', 'an unknown URL')}{called}{served}."


def _name(model: Body) -> str:
    return str(model["metadata"]["name"])
