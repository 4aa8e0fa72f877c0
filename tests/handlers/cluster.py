"""What a user and Kubernetes' controllers do, for tests with the fake API server."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import kmock

from nereid_operator.api.conditions import timestamp
from tests.handlers.conftest import until
from tests.handlers.fake_api_server import FakeApiServer, Object

MODELS = "nereid.dev/v1alpha1/modeldeployments"
DEPLOYMENTS = "apps/v1/deployments"
JOBS = "batch/v1/jobs"
PODS = "v1/pods"


def digest(letter: str) -> str:
    """Return a digest made of one letter of a to f."""
    return f"sha256:{letter * 64}"


def apply_model(
    api: FakeApiServer, uri: str, *, name: str = "minilm", runtime: Mapping[str, Any] | None = None
) -> None:
    """`kubectl apply` of the smallest manifest, or of one that says how its replicas run."""
    api.put(
        MODELS,
        {
            "apiVersion": "nereid.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": name},
            "spec": {"model": {"uri": uri}, **({} if runtime is None else {"runtime": dict(runtime)})},
        },
    )


async def serve(api: FakeApiServer, uri: str, *, digest: str = "a", other_than: str = "", also_than: str = "") -> str:
    """Apply a model, play everybody until it is Ready, and return the name of its Deployment."""
    apply_model(api, uri)
    await finish_resolve_job(api, digest=digest)
    deployment = await appears(api, DEPLOYMENTS, other_than=other_than, also_than=also_than)
    make_ready(api, deployment)
    revision = deployment.removeprefix("minilm-")
    await until(
        lambda: condition(api, "Ready")["status"] == "True" and model(api)["status"]["revisions"]["stable"] == revision,
        f"{uri} to be Ready",
    )
    return deployment


async def appears(api: FakeApiServer, resource: str, *, other_than: str = "", also_than: str = "") -> str:
    """Wait for an object of a kind, and return its name."""

    def found() -> list[str]:
        return [name for name in api.all(resource) if name not in (other_than, also_than)]

    await until(found, f"one of {resource}")
    return found()[0]


async def finish_resolve_job(api: FakeApiServer, *, digest: str, name: str = "minilm", task: str = "Embedding") -> None:
    """Play the Job controller and the resolve command: success, with what a small model is."""
    job = await unfinished_job(api, name)
    report = (
        f'{{"revision": "r-{digest}", "digest": "sha256:{digest * 64}", "bytes": 91000000, "files": 5, '
        f'"task": "{task}", "architecture": "BertModel", "dtype": "F32"}}'
    )
    _end_job_pod(api, job, exit_code=0, message=report)
    api.edit(JOBS, job, {"status": {"conditions": [{"type": "Complete", "status": "True"}]}})


async def fail_resolve_job(api: FakeApiServer, *, reason: str, message: str, ended: datetime | None = None) -> None:
    """Play the Job controller and the resolve command: a failure that trying again at once cannot mend."""
    job = await unfinished_job(api, "minilm")
    _end_job_pod(api, job, exit_code=3, message=f'{{"reason": "{reason}", "message": "{message}"}}')
    failed = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": "exit code 3"}
    at = timestamp(ended or datetime.now(UTC))
    api.edit(JOBS, job, {"status": {"conditions": [{**failed, "lastTransitionTime": at}]}})


async def exhaust_resolve_job(api: FakeApiServer, *, reason: str, message: str, ended: datetime) -> None:
    """Play the Job controller and the resolve command: failures that may pass, until the attempts are used up."""
    job = await unfinished_job(api, "minilm")
    _end_job_pod(api, job, exit_code=1, message=f'{{"reason": "{reason}", "message": "{message}"}}')
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "backoff limit"}
    api.edit(JOBS, job, {"status": {"conditions": [{**failed, "lastTransitionTime": timestamp(ended)}]}})


def move_end(api: FakeApiServer, job: str, ended: datetime) -> None:
    """Play the passing of time: a Job that failed did so then."""
    (failed,) = api.all(JOBS)[job]["status"]["conditions"]
    api.edit(JOBS, job, {"status": {"conditions": [{**failed, "lastTransitionTime": timestamp(ended)}]}})


def fail_prepare(api: FakeApiServer, deployment: str, *, exit_code: int, reason: str, message: str) -> None:
    """Play kubelet: the first pod's `prepare` has ended with a report, and is to be started again."""
    body = api.all(DEPLOYMENTS)[deployment]
    labels = body["spec"]["template"]["metadata"]["labels"]
    ended = {"exitCode": exit_code, "message": f'{{"reason": "{reason}", "message": "{message}"}}'}
    prepare = {
        "name": "prepare",
        "restartCount": 1,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }
    pod = {"metadata": {"name": f"{deployment}-0", "labels": labels, "ownerReferences": [owner(body)]}}
    api.put(PODS, {**pod, "status": {"phase": "Pending", "initContainerStatuses": [prepare]}})


def kill_engine(api: FakeApiServer, deployment: str, *, message: str) -> None:
    """Play kubelet and the Deployment controller: the engine of the one pod has died, and is being loaded again."""
    body = api.all(DEPLOYMENTS)[deployment]
    labels = body["spec"]["template"]["metadata"]["labels"]
    report = f'{{"reason": "EngineDied", "message": "{message}"}}'
    triton = {
        "name": "triton",
        "restartCount": 1,
        "ready": False,
        "state": {"running": {}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "Error", "message": report}},
    }
    pod = {"metadata": {"name": f"{deployment}-0", "labels": labels, "ownerReferences": [owner(body)]}}
    unready = {"type": "Ready", "status": "False"}
    api.put(PODS, {**pod, "status": {"phase": "Running", "conditions": [unready], "containerStatuses": [triton]}})
    api.edit(DEPLOYMENTS, deployment, {"status": {"readyReplicas": 0}})


def make_ready(api: FakeApiServer, deployment: str, *, ready: int = 1) -> None:
    """Play the Deployment controller: this many pods are ready."""
    body = api.all(DEPLOYMENTS)[deployment]
    labels = body["spec"]["template"]["metadata"]["labels"]
    for number in range(ready):
        pod = {"metadata": {"name": f"{deployment}-{number}", "labels": labels, "ownerReferences": [owner(body)]}}
        api.put(PODS, {**pod, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
    status: Object = {"replicas": ready, "readyReplicas": ready, "updatedReplicas": ready}
    complete = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    if ready == body["spec"]["replicas"]:
        status["conditions"] = [complete]
    api.edit(DEPLOYMENTS, deployment, {"status": {"observedGeneration": body["metadata"]["generation"], **status}})


def model(api: FakeApiServer, name: str = "minilm") -> Object:
    """Return the ModelDeployment."""
    return api.all(MODELS)[name]


def condition(api: FakeApiServer, kind: str) -> dict[str, Any]:
    """Return a condition of the ModelDeployment that speaks of its current generation; an empty one before that."""
    body = model(api)
    conditions = body.get("status", {}).get("conditions", ())
    current = [entry for entry in conditions if entry["observedGeneration"] == body["metadata"]["generation"]]
    return next((entry for entry in current if entry["type"] == kind), {"status": "", "reason": "", "message": ""})


def replicas(api: FakeApiServer, deployment: str) -> int:
    """Return how many pods a Deployment shall have."""
    count: int = api.all(DEPLOYMENTS)[deployment]["spec"]["replicas"]
    return count


def selected(api: FakeApiServer) -> str:
    """Return the revision that the Service sends requests to."""
    revision: str = api.all("v1/services")["minilm"]["spec"]["selector"]["nereid.dev/revision"]
    return revision


def wipe_status(api: FakeApiServer) -> None:
    """Replace the ModelDeployment by one without status."""
    key = (kmock.resource(MODELS), "default", "minilm")
    api._replace(key, {name: value for name, value in api.store[key].items() if name != "status"})


def owner(body: Object) -> Object:
    """Return the owner reference to an object."""
    return {
        "kind": body.get("kind", ""),
        "uid": body["metadata"]["uid"],
        "name": body["metadata"]["name"],
        "controller": True,
    }


async def unfinished_job(api: FakeApiServer, name: str) -> str:
    """Return the name of a resolve Job that has not ended, once there is one."""

    def unfinished() -> list[str]:
        return [
            job
            for job, body in api.all(JOBS).items()
            if job.startswith(f"{name}-resolve-") and "conditions" not in body.get("status", {})
        ]

    await until(unfinished, "a resolve Job")
    return unfinished()[0]


async def fail_attempt(api: FakeApiServer, *, reason: str, message: str, other_than: str = "") -> str:
    """Play the resolve command in a Job that will try again, and return the Job's name."""
    job = await appears(api, JOBS, other_than=other_than)
    _end_job_pod(api, job, exit_code=1, message=f'{{"reason": "{reason}", "message": "{message}"}}')
    return job


def begin_attempt(api: FakeApiServer, job: str, *, number: int) -> None:
    """Play the Job controller and kubelet: another pod of the Job runs."""
    body = api.all(JOBS)[job]
    labels = {**body["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": job}
    running = {"name": "resolve", "state": {"running": {}}}
    pod = {"metadata": {"name": f"{job}-{number}", "labels": labels, "ownerReferences": [owner(body)]}}
    api.put(PODS, {**pod, "status": {"phase": "Running", "containerStatuses": [running]}})


def leave_unscheduled(api: FakeApiServer, job: str, *, words: str) -> None:
    """Play the Job controller and the scheduler: the Job's pod is there, and no node can take it."""
    body = api.all(JOBS)[job]
    labels = {**body["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": job}
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    pod = {"metadata": {"name": f"{job}-0", "labels": labels, "ownerReferences": [owner(body)]}}
    api.put(PODS, {**pod, "status": {"phase": "Pending", "conditions": [condition]}})


def _end_job_pod(api: FakeApiServer, job: str, *, exit_code: int, message: str) -> None:
    body = api.all(JOBS)[job]
    labels = {**body["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": job}
    ended = {"name": "resolve", "state": {"terminated": {"exitCode": exit_code, "message": message}}}
    api.put(
        PODS,
        {
            "metadata": {"name": f"{job}-0", "labels": labels, "ownerReferences": [owner(body)]},
            "status": {"phase": "Failed" if exit_code else "Succeeded", "containerStatuses": [ended]},
        },
    )
