"""What is known of the model: from status, or from the resolve Job and its pods. Pure; called by the reconciler.

status remembers this input ──► Resolved          (and stays in force while a refresh is asked)
no Job                      ──► NotAsked          (the reconciler creates the Job)
Job at work                 ──► Resolving
Job that cannot be created  ──► JobRefused        (a quota, a webhook; tried again)
Job at work without a pod   ──► Podless           (something refuses the pod; the Job's Events say what)
Job succeeded, report read  ──► Resolved
Job succeeded, report gone  ──► ReportLost        (the reconciler deletes the Job, and asks again)
Job failed                  ──► ResolveFailed     (asked again after 2 min, 4 min … at most 1 h: a source can be
                                                   mended; always after 2 min when it got no farther than its
                                                   own namespace);
                                                   status remembers the count before the Job is deleted
Job succeeded, report wrong ──► ResolveFailed     (stays, until spec.model changes or the Job is deleted)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from nereid_operator.api.conditions import NAMESPACE_REASONS, Reason
from nereid_operator.api.model_status import ResolveAttempts, ResolvedModel
from nereid_operator.observe import JobFacts, PodFacts, report

FIRST_WAIT = timedelta(minutes=2)
LONGEST_WAIT = timedelta(hours=1)
POD_WAIT = timedelta(seconds=5)  # a Job's first pod is there within a second

_LAST_WORDS = 400


@dataclass(frozen=True, slots=True)
class Resolved:
    """The model is known exactly; `refreshing` is how it stands with the question whether it is still the same."""

    model: ResolvedModel
    refreshing: "Resolution | None" = None


@dataclass(frozen=True, slots=True)
class NotAsked:
    """There is no Job for this input."""


@dataclass(frozen=True, slots=True)
class Resolving:
    """The Job is at work, or going to make room for the next one."""

    job: str


@dataclass(frozen=True, slots=True)
class JobRefused:
    """The cluster will not take the Job; reason and message as in RefusalError."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Podless:
    """The Job is at work and has had no pod for a while: the cluster refuses it.

    `words` are those of the Job's Events, empty where they say nothing.
    """

    job: str
    words: str


@dataclass(frozen=True, slots=True)
class ReportLost:
    """The Job ended, but no pod that was seen holds its report."""

    job: str


@dataclass(frozen=True, slots=True)
class ResolveFailed:
    """The Job failed; reason and message are its own. `again_at` is None when asking again cannot mend it.

    `attempts` is what status has to remember before the Job makes room for the next.
    """

    reason: str
    message: str
    again_at: datetime | None
    attempts: ResolveAttempts

    def is_due(self, now: datetime) -> bool:
        """Return whether it is time to ask again."""
        return self.again_at is not None and now >= self.again_at


Resolution = Resolved | NotAsked | Resolving | JobRefused | Podless | ReportLost | ResolveFailed


def resolution(
    recorded: ResolvedModel | None,
    job: JobFacts | None,
    pods: Iterable[PodFacts],
    *,
    input_hash: str,
    refresh_hash: str = "",
) -> Resolution:
    """Return what is known of the model; of `pods` only those of this very Job speak, not those of one before it.

    Without a refresh any earlier one will do.
    """
    if recorded is not None and recorded.input_hash == input_hash and not asks_again(recorded, refresh_hash):
        return Resolved(recorded)
    if job is None:
        return NotAsked()
    messages = [
        _last_words(pod) for pod in sorted(pods, key=lambda pod: pod.created, reverse=True) if pod.job_uid == job.uid
    ]
    if job.succeeded:
        return _found(messages, job, input_hash=input_hash, refresh_hash=refresh_hash)
    if job.failed and not job.terminating:
        return _failure(messages, job)
    return Resolving(job.name)


def asks_again(recorded: ResolvedModel, refresh_hash: str) -> bool:
    """Return whether a value of the annotation, by its hash, wants to know anew what is recorded."""
    return refresh_hash not in ("", recorded.refresh_hash)


def is_podless(job: JobFacts, pods: Iterable[PodFacts], *, now: datetime) -> bool:
    """Return whether the Job should have a pod by now and never had one; its status has no word of why."""
    if not job.started or job.had_pods or any(pod.job == job.name for pod in pods):
        return False
    return now - datetime.fromisoformat(job.started) >= POD_WAIT


def _last_words(pod: PodFacts) -> str:
    return next((container.termination_message for container in pod.containers), "")


def kept(recorded: ResolvedModel | None, found: Resolution, *, input_hash: str) -> Resolution:
    """Return what is in force: what was found, and while that is nothing yet, what was known of the same input."""
    if isinstance(found, Resolved) or recorded is None or recorded.input_hash != input_hash:
        return found
    return Resolved(recorded, refreshing=found)


def still_asked(found: Resolution) -> Resolution | None:
    """Return how it stands with the Job's question; None when nothing is asked."""
    return found.refreshing if isinstance(found, Resolved) else found


def _found(messages: Iterable[str], job: JobFacts, *, input_hash: str, refresh_hash: str) -> Resolution:
    facts = next((facts for facts in map(report, messages) if facts and "digest" in facts), None)
    if facts is None:
        return ReportLost(job.name)
    try:
        return Resolved(
            ResolvedModel.model_validate({**facts, "inputHash": input_hash, "refreshHash": refresh_hash or None})
        )
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in detail["loc"])
        return ResolveFailed(
            Reason.RESOLVE_FAILED,
            f"Job {job.name} reported {field} as {detail['input']!r}: {detail['msg']}. {_advice(job, None)}",
            None,
            _attempts(job),
        )


def failed_silently(job: JobFacts, pods: Iterable[PodFacts]) -> ResolveFailed:
    """Return the failure of a Job that left no report: how its newest pod ended, when one is left that did."""
    ours = (pod for pod in pods if pod.job_uid == job.uid)
    newest_first = sorted(ours, key=lambda pod: pod.created, reverse=True)
    ended = next((container for pod in newest_first for container in pod.containers if container.exit_code), None)
    if ended is None:
        return _failed(Reason.RESOLVE_FAILED, f"Job {job.name} failed without saying why: {job.failure}", job)
    words = ended.termination_message.strip()[-_LAST_WORDS:]
    why = f"Job {job.name} ended with exit code {ended.exit_code} ({ended.exit_reason})"
    return _failed(Reason.RESOLVE_FAILED, f"{why}: {words}" if words else why, job)


def _failure(messages: Iterable[str], job: JobFacts) -> Resolution:
    said = next((facts for facts in map(report, messages) if facts and "reason" in facts), None)
    if said is None:
        return ReportLost(job.name)
    return _failed(str(said["reason"]), str(said.get("message") or f"Job {job.name} gave no details"), job)


def _failed(reason: str, why: str, job: JobFacts) -> ResolveFailed:
    again_at = _again_at(job, reason)
    return ResolveFailed(reason, f"{why.rstrip('. ')}. {_advice(job, again_at)}", again_at, _attempts(job))


def _attempts(job: JobFacts) -> ResolveAttempts:
    return ResolveAttempts(job_name=job.name, failed=job.attempt)


def _again_at(job: JobFacts, reason: str) -> datetime | None:
    """Return when to ask again: each wait is twice the one before, so that a source that is down is not besieged."""
    if not job.failed_at:
        return None
    doublings = 0 if reason in NAMESPACE_REASONS else min(job.attempt - 1, 16)
    wait: timedelta = FIRST_WAIT * 2**doublings
    return datetime.fromisoformat(job.failed_at) + min(wait, LONGEST_WAIT)


def _advice(job: JobFacts, again_at: datetime | None) -> str:
    if again_at is None:
        return f"Edit spec.model, or delete the Job {job.name} to try again."
    return f"It is tried again at {again_at:%Y-%m-%d %H:%M} UTC, or at once when the Job {job.name} is deleted."
