"""A source that was down is asked again, ever more rarely, whatever happens to the resolve Job in between."""

from datetime import UTC, datetime, timedelta

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer
from tests.handlers.test_life_of_a_model import Start

GONE = {"reason": "SourceNotFound", "message": "no such bucket."}
DOWN = {"reason": "SourceUnreachable", "message": "no route to host."}
QUOTA = 'jobs.batch "minilm-resolve" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1'


def _attempts(api: FakeApiServer) -> list[str]:
    return [job["metadata"]["annotations"]["nereid.dev/attempt"] for job in api.all(cluster.JOBS).values()]


def _is_told(api: FakeApiServer, reason: str) -> bool:
    return bool(cluster.condition(api, "Ready")["reason"] == reason)


async def test_each_wait_is_longer_than_the_one_before(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "s3://models/minilm")
    now = datetime.now(UTC)
    await cluster.exhaust_resolve_job(api, **DOWN, ended=now - timedelta(minutes=3))
    await until(lambda: _attempts(api) == ["2"], "a second Job")

    # The second wait is four minutes.
    await cluster.exhaust_resolve_job(api, **DOWN, ended=now - timedelta(minutes=3))
    await until(lambda: cluster.condition(api, "Resolved")["status"] == "False", "the failure in status")
    due = f"{now + timedelta(minutes=1):%Y-%m-%d %H:%M} UTC"
    assert f"tried again at {due}" in cluster.condition(api, "Ready")["message"]
    assert _attempts(api) == ["2"]


async def test_a_source_that_was_mended_is_found_by_the_next_attempt_without_another_word(
    api: FakeApiServer, operator: Operator
):
    cluster.apply_model(api, "s3://models/minilm")
    now = datetime.now(UTC)
    await cluster.fail_resolve_job(api, **GONE, ended=now - timedelta(minutes=1))
    await until(lambda: _is_told(api, "SourceNotFound"), "the failure in status")
    assert (
        f"tried again at {now + timedelta(minutes=1):%Y-%m-%d %H:%M} UTC" in cluster.condition(api, "Ready")["message"]
    )
    generation = cluster.model(api)["metadata"]["generation"]

    (job,) = api.all(cluster.JOBS)
    cluster.move_end(api, job, now - timedelta(minutes=3))
    await until(lambda: _attempts(api) == ["2"], "a second Job")
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Resolved")["status"] == "True", "the model to be resolved")
    assert cluster.model(api)["metadata"]["generation"] == generation
    assert "resolveAttempts" not in cluster.model(api)["status"]


async def test_a_job_deleted_by_hand_is_asked_again_at_once_and_an_answer_ends_the_count(
    api: FakeApiServer, operator: Operator
):
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.exhaust_resolve_job(api, **DOWN, ended=datetime.now(UTC))
    await until(lambda: _is_told(api, "SourceUnreachable"), "the failure in status")
    (job,) = api.all(cluster.JOBS)
    assert cluster.model(api)["status"]["resolveAttempts"] == {"jobName": job, "failed": 1}

    api.remove(cluster.JOBS, job)
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Resolved")["status"] == "True", "the model to be resolved")
    assert _attempts(api) == ["2"]
    assert "resolveAttempts" not in cluster.model(api)["status"]


async def test_the_count_outlives_a_refusal_of_the_next_job_and_the_process(api: FakeApiServer, start: Start):
    async with start():
        cluster.apply_model(api, "s3://models/minilm")
        job = await cluster.unfinished_job(api, "minilm")
        api.refuse = lambda method, path: QUOTA if (method, path.rpartition("/")[2]) == ("POST", "jobs") else None
        await cluster.exhaust_resolve_job(api, **DOWN, ended=datetime.now(UTC) - timedelta(minutes=3))
        await until(lambda: _is_told(api, "QuotaExceeded"), "the refusal in status")
        assert not api.all(cluster.JOBS)
    api.refuse = lambda _method, _path: None
    async with start():
        await until(lambda: _attempts(api) == ["2"], "the second attempt")
        assert list(api.all(cluster.JOBS)) == [job]


async def test_a_job_is_deleted_only_when_its_failure_is_in_status(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "s3://models/minilm")
    job = await cluster.unfinished_job(api, "minilm")
    api.refuse = lambda _method, path: "frozen" if path.endswith("/status") else None
    passes = await operator.passes()
    await cluster.exhaust_resolve_job(api, **DOWN, ended=datetime.now(UTC) - timedelta(minutes=3))
    await operator.passes_beyond(passes)
    assert (list(api.all(cluster.JOBS)), _attempts(api)) == ([job], ["1"])

    api.refuse = lambda _method, _path: None
    await until(lambda: _attempts(api) == ["2"], "the second attempt")


async def test_another_question_is_counted_anew(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.exhaust_resolve_job(api, **DOWN, ended=datetime.now(UTC))
    await until(lambda: _is_told(api, "SourceUnreachable"), "the failure in status")
    first = next(iter(api.all(cluster.JOBS)))
    cluster.apply_model(api, "s3://models/other")
    second = await cluster.appears(api, cluster.JOBS, other_than=first)
    await until(lambda: list(api.all(cluster.JOBS)) == [second], "the first Job to go")
    assert _attempts(api) == ["1"]


async def test_a_job_without_our_label_gets_it_back_and_its_answer_is_heard(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "s3://models/minilm")
    job = await cluster.unfinished_job(api, "minilm")
    uid = api.all(cluster.JOBS)[job]["metadata"]["uid"]
    cluster.begin_attempt(api, job, number=1)
    api.edit(cluster.JOBS, job, {"metadata": {"labels": {"app.kubernetes.io/managed-by": "somebody"}}})
    await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Resolved")["status"] == "True", "the answer of the Job")
    metadata = api.all(cluster.JOBS)[job]["metadata"]
    assert (metadata["uid"], metadata["labels"]["app.kubernetes.io/managed-by"]) == (uid, "nereid")
