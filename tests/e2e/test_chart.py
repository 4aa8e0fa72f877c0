"""The chart through the real helm: lint, bad values, uninstall and install again around models that serve."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.binaries import binary
from tests.stack.helm import CHART, NAMESPACE, RELEASE
from tests.stack.kubectl import MODELS
from tests.stack.manifests import is_ready
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

LEASE = "nereid-operator"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def test_the_chart_lints(helm):
    assert "0 chart(s) failed" in helm.run("lint", "--strict", str(CHART))


def test_the_other_operator_takes_over_from_a_leader_that_goes(kubectl, cluster, minilm, namespace):
    """It does the work, and what went wrote nothing once the other had the Lease."""
    gone = wait_for("a leader", lambda: _leader(kubectl), seconds=30)
    kubectl.run("delete", "pod", gone, "-n", NAMESPACE, "--wait=false")
    wait_for("another leader", lambda: _leader(kubectl) not in {gone, None}, seconds=15)
    acquired = kubectl.get("leases.coordination.k8s.io", LEASE, NAMESPACE)["spec"]["acquireTime"]
    kubectl.run("delete", "service", minilm, "-n", namespace)
    wait_for("the Service is back", lambda: kubectl.get("service", minilm, namespace), seconds=30)
    late = [entry for entry in _audit(cluster) if _is_by(entry, gone) and entry["requestReceivedTimestamp"] > acquired]
    assert [entry for entry in late if entry["verb"] in WRITES] == []


def test_the_first_command_of_the_notes_works_as_it_is_printed(nereid, cluster, kubectl):
    notes = nereid.run("get", "notes", RELEASE, "-n", NAMESPACE)
    command = notes[notes.index("kubectl apply") : notes.index("\nMODEL\n") + len("\nMODEL\n")]
    environment = {"KUBECONFIG": str(cluster.kubeconfig), "PATH": f"{binary('kubectl').parent}:/usr/bin:/bin"}
    try:
        subprocess.run(["bash", "-ec", command], env=environment, check=True, timeout=60)
        assert kubectl.get(MODELS, "minilm", "default")["spec"]["model"]["uri"].startswith("hf://")
    finally:
        kubectl.run("delete", MODELS, "minilm", "-n", "default", "--ignore-not-found")


def test_models_serve_on_while_the_operator_is_uninstalled_and_installed_again(
    kubectl, helm, namespace, minilm, openai_client
):
    """Uninstalling leaves the CRD, the models and their pods; the next install takes them over without a new pod."""
    before = _pods(kubectl, namespace, minilm)
    helm.uninstall()
    try:
        wait_for("nothing of the release is left", lambda: not _everything(kubectl), seconds=60)
        assert kubectl.get(MODELS, minilm, namespace) is not None
        with openai_client(minilm) as client:
            assert client.embeddings.create(model=minilm, input="x").data
    finally:
        helm.install()
    wait_for("Ready after the install", lambda: is_ready(kubectl.get(MODELS, minilm, namespace)), seconds=60)
    assert _pods(kubectl, namespace, minilm) == before


def test_the_operator_writes_nothing_when_nothing_changes(kubectl, cluster, minilm, smollm2, helm):
    """The API server's audit log shows no write by the operator over a restart and the passes after it."""
    kubectl.run("rollout", "restart", "deployment/nereid-operator", "-n", NAMESPACE)
    kubectl.run("rollout", "status", "deployment/nereid-operator", "-n", NAMESPACE, "--timeout=60s")
    pod = wait_for("a leader among the new pods", lambda: _leader(kubectl), seconds=30)
    wait_for("passes over both models", lambda: _reconciles(kubectl, pod) >= 2, seconds=30)
    requests = [entry for entry in _audit(cluster) if _is_by(entry, pod)]
    assert {"list", "watch"} <= {entry["verb"] for entry in requests}, "the log names this very pod"
    writes = [entry["objectRef"] for entry in requests if entry["verb"] in WRITES]
    assert [one for one in writes if one["resource"] not in {"leases", "pods"}] == []
    assert [one["name"] for one in writes if one["resource"] == "pods"] == [pod], "the leader's label, once"


def _leader(kubectl):
    """The pod that holds the Lease, when it is one that runs."""
    lease = kubectl.get("leases.coordination.k8s.io", LEASE, NAMESPACE)
    pod = lease["spec"].get("holderIdentity", "").rpartition("_")[0]
    running = {
        pod["metadata"]["name"]
        for pod in kubectl.select("pods", NAMESPACE, "app.kubernetes.io/name=nereid-operator")
        if "deletionTimestamp" not in pod["metadata"]
    }
    return pod if pod in running else None


def _pods(kubectl, namespace, name):
    return sorted(
        pod["metadata"]["uid"]
        for pod in kubectl.select("pods", namespace, f"nereid.dev/model={name},nereid.dev/revision")
    )


def _audit(cluster):
    with Path(cluster.audit_log).open() as log:
        return [json.loads(line) for line in log if line.endswith("}\n")]


def _is_by(entry, pod):
    user = entry["user"]
    mine = user.get("username") == f"system:serviceaccount:{NAMESPACE}:nereid-operator"
    return mine and user.get("extra", {}).get("authentication.kubernetes.io/pod-name") == [pod]


def _everything(kubectl):
    return json.loads(kubectl.run("get", "all", "-n", NAMESPACE, "-o", "json"))["items"]


def _reconciles(kubectl, pod):
    text = kubectl.run("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics")
    lines = [line for line in text.splitlines() if line.startswith("nereid_reconciles_total")]
    return sum(float(line.split()[-1]) for line in lines)
