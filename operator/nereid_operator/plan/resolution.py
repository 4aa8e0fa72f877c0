"""What is known of the model: from status, or from the resolve Job and its pods. Pure; called by the reconciler.

status remembers this input ──► Resolved
no Job                      ──► NotAsked          (the reconciler creates the Job)
Job at work                 ──► Resolving
Job succeeded, report read  ──► Resolved
Job succeeded, report gone  ──► ReportLost        (the reconciler deletes the Job, and asks again)
Job failed                  ──► ResolveFailed     (stays, until spec.model changes or the Job is deleted)
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from nereid_operator.api.conditions import Reason
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.observe import JobFacts, PodFacts, report


@dataclass(frozen=True, slots=True)
class Resolved:
    """The model is known exactly."""

    model: ResolvedModel


@dataclass(frozen=True, slots=True)
class NotAsked:
    """There is no Job for this input."""


@dataclass(frozen=True, slots=True)
class Resolving:
    """The Job is at work."""

    job: str


@dataclass(frozen=True, slots=True)
class ReportLost:
    """The Job ended, but no pod that was seen holds its report."""

    job: str


@dataclass(frozen=True, slots=True)
class ResolveFailed:
    """The Job failed for good; reason and message are its own."""

    reason: str
    message: str


Resolution = Resolved | NotAsked | Resolving | ReportLost | ResolveFailed


def resolution(
    recorded: ResolvedModel | None, job: JobFacts | None, pods: Iterable[PodFacts], *, input_hash: str
) -> Resolution:
    """Return what is known of the model; `pods` are those of the Job."""
    if recorded is not None and recorded.input_hash == input_hash:
        return Resolved(recorded)
    if job is None:
        return NotAsked()
    messages = [
        _last_words(pod) for pod in sorted(pods, key=lambda pod: pod.created, reverse=True) if pod.job == job.name
    ]
    if job.succeeded:
        return _found(messages, job, input_hash=input_hash)
    if job.failed:
        return _failure(messages, job)
    return Resolving(job.name)


def _last_words(pod: PodFacts) -> str:
    return next((container.termination_message for container in pod.containers), "")


def _found(messages: Iterable[str], job: JobFacts, *, input_hash: str) -> Resolution:
    facts = next((facts for facts in map(report, messages) if facts and "digest" in facts), None)
    if facts is None:
        return ReportLost(job.name)
    try:
        return Resolved(ResolvedModel.model_validate({**facts, "inputHash": input_hash}))
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in detail["loc"])
        return ResolveFailed(
            Reason.RESOLVE_FAILED, f"Job {job.name} reported {field} as {detail['input']!r}: {detail['msg']}"
        )


def failed_silently(job: JobFacts) -> ResolveFailed:
    """Return the failure of a Job of which no pod is left that says why."""
    return ResolveFailed(
        Reason.RESOLVE_FAILED, f"Job {job.name} failed without saying why: {job.failure} {_again(job)}"
    )


def _failure(messages: Iterable[str], job: JobFacts) -> Resolution:
    said = next((facts for facts in map(report, messages) if facts and "reason" in facts), None)
    if said is None:
        return ReportLost(job.name)
    sentence = str(said.get("message", "")).rstrip(".")
    return ResolveFailed(str(said["reason"]), f"{sentence}. {_again(job)}")


def _again(job: JobFacts) -> str:
    return f"Edit spec.model, or delete the Job {job.name} to try again."
