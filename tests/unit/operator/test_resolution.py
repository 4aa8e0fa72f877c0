"""What a resolve Job's end means, and when a failed one is asked again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nereid_operator.api.model_status import ResolveAttempts
from nereid_operator.observe import Meanwhile, job_facts, pod_facts
from nereid_operator.plan.resolution import (
    ReportLost,
    Resolution,
    ResolveFailed,
    Resolving,
    failed_silently,
    is_podless,
    resolution,
)

ENDED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ONCE = ResolveAttempts(job_name="m-resolve-1", failed=1)
SAID = '{"reason": "SourceUnreachable", "message": "no route."}'


def _job(reason: str = "BackoffLimitExceeded", *, attempt: int = 1, **metadata: Any) -> dict[str, Any]:
    failed = {"type": "Failed", "status": "True", "reason": reason, "message": "too long."}
    ended = {"lastTransitionTime": f"{ENDED:%Y-%m-%dT%H:%M:%SZ}"}
    annotations = {"nereid.dev/attempt": str(attempt)}
    return {
        "metadata": {"name": "m-resolve-1", "uid": "u", "annotations": annotations, **metadata},
        "status": {"conditions": [failed | ended]},
    }


_OWNED = {"ownerReferences": [{"kind": "Job", "name": "m-resolve-1", "uid": "u", "controller": True}]}


def _resolution(job: dict[str, Any], message: str = SAID, **metadata: Any) -> Resolution:
    container = {"name": "resolve", "state": {"terminated": {"exitCode": 1, "message": message}}}
    pod = {
        "metadata": {"name": "m-resolve-1-x", **_OWNED, **metadata},
        "status": {"phase": "Failed", "containerStatuses": [container]},
    }
    return resolution(None, job_facts(job), [pod_facts(pod)], input_hash="h")


@pytest.mark.parametrize(
    ("attempt", "minutes"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 60), (7, 60), (10**9, 60)]
)
def test_each_wait_is_twice_the_one_before_and_an_hour_at_most(attempt: int, minutes: int):
    found = _resolution(_job(attempt=attempt))
    due = ENDED + timedelta(minutes=minutes)
    assert isinstance(found, ResolveFailed)
    assert found.again_at == due
    assert not found.is_due(due - timedelta(seconds=1))
    assert found.is_due(due)


def test_the_message_says_when_it_is_tried_again_and_how_to_try_at_once():
    found = _resolution(_job())
    advice = "It is tried again at 2026-03-04 05:08 UTC, or at once when the Job m-resolve-1 is deleted."
    assert found == ResolveFailed("SourceUnreachable", f"no route. {advice}", ENDED + timedelta(minutes=2), ONCE)


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 2), (2, 4), (7, 60)])
def test_what_the_job_itself_cannot_mend_is_asked_again_as_rarely_since_a_source_can_be_mended(
    attempt: int, minutes: int
):
    found = _resolution(_job("PodFailurePolicy", attempt=attempt))
    assert isinstance(found, ResolveFailed)
    assert found.again_at == ENDED + timedelta(minutes=minutes)


def test_an_answer_that_cannot_be_right_stays():
    job = _job()
    job["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
    found = _resolution(job, '{"revision": "r", "digest": "no digest"}')
    assert isinstance(found, ResolveFailed)
    assert found.again_at is None
    assert found.message.endswith("Edit spec.model, or delete the Job m-resolve-1 to try again.")


def test_a_job_that_ran_out_of_time_is_asked_again():
    found = failed_silently(job_facts(_job("DeadlineExceeded")), [])
    assert found.again_at == ENDED + timedelta(minutes=2)
    assert found.message.startswith("Job m-resolve-1 failed without saying why: too long. It is tried again at ")


@pytest.mark.parametrize("reason", ["CredentialsMissing", "CaBundleMissing"])
def test_what_the_namespace_lacks_is_looked_for_again_and_again(reason: str):
    found = _resolution(_job(attempt=7), f'{{"reason": "{reason}", "message": "not there."}}')
    assert isinstance(found, ResolveFailed)
    assert found.again_at == ENDED + timedelta(minutes=2)


def test_a_job_that_was_killed_says_how_it_ended():
    ended = {"exitCode": 137, "reason": "OOMKilled", "message": "Traceback:\n  MemoryError"}
    pod = {
        "metadata": {"name": "m-resolve-1-x", **_OWNED},
        "status": {"containerStatuses": [{"name": "resolve", "state": {"terminated": ended}}]},
    }
    found = failed_silently(job_facts(_job()), [pod_facts(pod)])
    why = "Job m-resolve-1 ended with exit code 137 (OOMKilled): Traceback:\n  MemoryError. It is tried again at "
    assert found.message.startswith(why)


def test_a_failure_without_words_is_no_empty_sentence():
    found = _resolution(_job(), '{"reason": "InsufficientDisk"}')
    assert isinstance(found, ResolveFailed)
    assert found.message.startswith("Job m-resolve-1 gave no details. It is tried again at ")


def test_a_pod_of_an_earlier_job_of_the_same_name_has_nothing_to_say():
    earlier = [{"kind": "Job", "name": "m-resolve-1", "uid": "earlier", "controller": True}]
    labels = {"batch.kubernetes.io/job-name": "m-resolve-1"}
    found = _resolution(_job(), labels=labels, ownerReferences=earlier)
    assert found == ReportLost("m-resolve-1")


def test_a_failed_job_that_is_being_deleted_makes_room_for_the_next():
    assert _resolution(_job(deletionTimestamp="2026-03-04T06:00:00Z")) == Resolving("m-resolve-1")


STARTED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
OWN_POD = {"metadata": {"name": "m-resolve-1-x", "labels": {"batch.kubernetes.io/job-name": "m-resolve-1"}}}
PODLESS = {
    "no pod for a while": ({"startTime": "2026-03-04T05:06:07Z"}, [], 5, True),
    "no pod yet": ({"startTime": "2026-03-04T05:06:07Z"}, [], 4, False),
    "not seen by its controller": ({}, [], 60, False),
    "a pod that the watch has not told of": ({"startTime": "2026-03-04T05:06:07Z", "active": 1}, [], 60, False),
    "a pod that the Job has not counted": ({"startTime": "2026-03-04T05:06:07Z"}, [OWN_POD], 60, False),
    "an attempt that failed": ({"startTime": "2026-03-04T05:06:07Z", "failed": 1}, [], 60, False),
}


@pytest.mark.parametrize(("status", "pods", "seconds", "podless"), PODLESS.values(), ids=PODLESS.keys())
def test_a_job_whose_pod_is_refused(status: dict[str, Any], pods: list[Any], seconds: int, *, podless: bool):
    job = job_facts({"metadata": {"name": "m-resolve-1"}, "status": status})
    assert is_podless(job, map(pod_facts, pods), now=STARTED + timedelta(seconds=seconds)) == podless


REMEMBERED: dict[str, tuple[dict[str, str], Meanwhile | None]] = {
    "both": ({"nereid.dev/replicas": "3", "nereid.dev/serving-replicas": "0"}, Meanwhile(replicas=3, kept=0)),
    "a Job of an earlier version": ({"nereid.dev/attempt": "1"}, None),
    "one alone": ({"nereid.dev/replicas": "3"}, None),
    "a text": ({"nereid.dev/replicas": "3", "nereid.dev/serving-replicas": "many"}, None),
    "below zero": ({"nereid.dev/replicas": "3", "nereid.dev/serving-replicas": "-1"}, None),
    "more than there can be": ({"nereid.dev/replicas": "3", "nereid.dev/serving-replicas": "99999"}, None),
}


@pytest.mark.parametrize(("annotations", "expected"), REMEMBERED.values(), ids=REMEMBERED)
def test_a_job_remembers_what_served_when_it_was_made(annotations: dict[str, str], expected: Meanwhile | None):
    assert job_facts(_job(annotations=annotations)).meanwhile == expected
