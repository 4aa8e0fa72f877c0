"""What users do to the spec and the status of a model that serves: nobody who asks it all the time may notice."""

import contextlib
import json

import pytest

from tests.stack.client import steady_client
from tests.stack.endpoints import least_ready
from tests.stack.kubectl import MODELS
from tests.stack.manifests import is_ready, model_deployment
from tests.stack.revisions import deployments_of, replicas_of, served_alone
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

MODEL = "edited"
REPLICAS = 2
ROLLOUT_SECONDS = 240


@pytest.fixture(scope="module")
def served(nereid, kubectl, namespace, store, uploaded):
    """A model that serves with two replicas."""
    kubectl.apply(model_deployment(MODEL, namespace, uploaded["minilm"], store, replicas=REPLICAS))
    yield served_alone(kubectl, namespace, MODEL, seconds=180)
    kubectl.run("delete", MODELS, MODEL, "-n", namespace)
    wait_for("its pods gone", lambda: not kubectl.select("pods", namespace, f"nereid.dev/model={MODEL}"), seconds=120)


def test_three_quick_edits_end_at_the_last(served, kubectl, namespace):
    """What served before and what the last edit made are kept; the revisions between them go."""
    before = _serving(kubectl, namespace)
    with _unnoticed(kubectl, namespace):
        for size in (11, 12, 13):
            _edit(kubectl, namespace, size)
        after = _serving(kubectl, namespace)
    assert _batch_size(deployments_of(kubectl, namespace, MODEL)[after]) == 13
    assert after != before
    wait_for(
        "the last two revisions alone are kept",
        lambda: set(deployments_of(kubectl, namespace, MODEL)) == {before, after},
        seconds=30,
    )


def test_the_way_back_uses_the_deployment_that_was_kept(served, kubectl, namespace):
    there = _serving(kubectl, namespace)
    first = deployments_of(kubectl, namespace, MODEL)[there]
    size = _batch_size(first)
    with _unnoticed(kubectl, namespace):
        _edit(kubectl, namespace, 21)
        assert _serving(kubectl, namespace) != there
        _edit(kubectl, namespace, size)
        assert _serving(kubectl, namespace) == there
    assert deployments_of(kubectl, namespace, MODEL)[there]["metadata"]["uid"] == first["metadata"]["uid"]


def test_who_goes_back_at_once_keeps_the_pods(served, kubectl, namespace):
    there = _serving(kubectl, namespace)
    size, pods = _batch_size(deployments_of(kubectl, namespace, MODEL)[there]), _runs(kubectl, namespace)
    with _unnoticed(kubectl, namespace):
        _edit(kubectl, namespace, 22)
        wait_for("pods of the edit", lambda: len(replicas_of(kubectl, namespace, MODEL)) > REPLICAS, seconds=60)
        _edit(kubectl, namespace, size)
        assert _serving(kubectl, namespace) == there
    assert _runs(kubectl, namespace) == pods


def test_a_manifest_replaced_by_another_is_an_edit(served, kubectl, namespace):
    before = _serving(kubectl, namespace)
    with _unnoticed(kubectl, namespace):
        _replace(kubectl, namespace, runtime={"batching": {"maxBatchSize": 31}})
        after = _serving(kubectl, namespace)
    found = deployments_of(kubectl, namespace, MODEL)
    assert (after != before, _batch_size(found[after])) == (True, 31)


def test_a_manifest_replaced_by_the_same_one_changes_nothing(served, kubectl, namespace):
    _serving(kubectl, namespace)
    pods = _runs(kubectl, namespace)
    with _unnoticed(kubectl, namespace):
        _replace(kubectl, namespace)
        _looked_at_again(kubectl, namespace)
    assert _runs(kubectl, namespace) == pods


def test_a_wiped_status_comes_back_and_no_pod_is_made(served, kubectl, namespace):
    _serving(kubectl, namespace)
    status, pods = kubectl.get(MODELS, MODEL, namespace)["status"], _runs(kubectl, namespace)
    with _unnoticed(kubectl, namespace):
        _patch_status(kubectl, namespace, None)
        wait_for("Ready again", lambda: is_ready(kubectl.get(MODELS, MODEL, namespace)), seconds=30)
    again = kubectl.get(MODELS, MODEL, namespace)["status"]
    assert [again[part] for part in ("model", "revisions", "url")] == [
        status[part] for part in ("model", "revisions", "url")
    ]
    assert _runs(kubectl, namespace) == pods


@contextlib.contextmanager
def _unnoticed(kubectl, namespace):
    """Ask the model all the time; at the end no request has failed, and there were never fewer ready replicas."""
    with least_ready(kubectl, namespace, MODEL) as least, steady_client(kubectl, namespace, MODEL) as requests:
        yield
        requests.more()
    assert least() == REPLICAS
    assert requests.failures() == []


def _serving(kubectl, namespace):
    return served_alone(kubectl, namespace, MODEL, seconds=ROLLOUT_SECONDS)


def _edit(kubectl, namespace, size):
    """Make it another revision, one for each size of batches."""
    patch = {"spec": {"runtime": {"batching": {"maxBatchSize": size}}}}
    kubectl.run("patch", MODELS, MODEL, "-n", namespace, "--type=merge", "-p", json.dumps(patch))


def _replace(kubectl, namespace, **spec):
    """Put a whole manifest in the place of what is there, with other parts of the spec if any are given."""
    body = kubectl.get(MODELS, MODEL, namespace)
    manifest = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {"name": MODEL, "namespace": namespace},
        "spec": {**body["spec"], **spec},
    }
    kubectl.run("replace", "-f", "-", stdin=json.dumps(manifest))


def _patch_status(kubectl, namespace, status):
    patch = json.dumps({"status": status})
    kubectl.run("patch", MODELS, MODEL, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)


def _looked_at_again(kubectl, namespace):
    """Wait for a pass of the operator that begins after now: it writes what is taken out of the status here."""
    _patch_status(kubectl, namespace, {"url": None})
    wait_for("the URL again", lambda: kubectl.get(MODELS, MODEL, namespace)["status"].get("url"), seconds=30)


def _batch_size(deployment):
    """Return what the pods of a revision are told; edits here differ in nothing else."""
    (prepare,) = deployment["spec"]["template"]["spec"]["initContainers"]
    flag = "--max-batch-size="
    return int(next(entry.removeprefix(flag) for entry in prepare["args"] if entry.startswith(flag)))


def _runs(kubectl, namespace):
    """Return all pods of the model, the resolve Job's too, and how often the containers of each were started."""
    pods = kubectl.select("pods", namespace, f"nereid.dev/model={MODEL}")
    return {
        pod["metadata"]["uid"]: [status["restartCount"] for status in pod["status"].get("containerStatuses", ())]
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
    }
