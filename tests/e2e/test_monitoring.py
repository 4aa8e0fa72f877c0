"""Both operators as Prometheus and a person see them: metrics and the live API, through port-forward."""

import json
import re
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.promtool import run_promtool
from tests.stack.helm import NAMESPACE
from tests.stack.kubectl import MODELS, KubectlError
from tests.stack.manifests import condition, model_deployment
from tests.stack.slow import start_slow_store
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

LEASE = "nereid-operator"


@pytest.fixture
def operators(kubectl, minilm):
    """The names of both operators' pods."""
    pods = kubectl.select("pods", NAMESPACE, "app.kubernetes.io/name=nereid-operator")
    names = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert len(names) == 2
    return names


@pytest.fixture
def leader(kubectl, operators):
    def holder():
        lease = kubectl.get("leases.coordination.k8s.io", LEASE, NAMESPACE)
        name = lease["spec"].get("holderIdentity", "").rpartition("_")[0]
        return name if name in operators else None

    return wait_for("a leader", holder, seconds=30)


def _get(kubectl, pod, port, path):
    with kubectl.port_forward(f"pod/{pod}", NAMESPACE, port) as local:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{local[port]}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def _samples(text):
    """The samples by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _scrape(kubectl, pod):
    return _samples(_get(kubectl, pod, 8080, "/metrics")[1])


def _sum(samples, name):
    return sum(value for (found, *_), value in samples.items() if found == name)


def _moved(before, after):
    """The samples after a pass and a renewal of the Lease, which come by themselves; None before that."""
    counters = ("nereid_reconciles_total", "nereid_api_call_seconds_count")
    return after if all(_sum(after, name) > _sum(before, name) for name in counters) else None


def _progress(kubectl, leader, namespace, name):
    """The progress of the model's only replica on the live API; None before it fetches."""
    _, text = _get(kubectl, leader, 8081, f"/v1/models/{namespace}/{name}")
    return next((replica["progress"] for replica in json.loads(text).get("replicas", ())), None)


def test_one_of_both_leads_and_its_counts_move(kubectl, operators, leader, namespace, minilm):
    texts = {pod: _get(kubectl, pod, 8080, "/metrics")[1] for pod in operators}
    for text in texts.values():
        assert run_promtool("check", "metrics", stdin=text) == ""
    before = {pod: _samples(text) for pod, text in texts.items()}
    assert sum(_sum(samples, "nereid_leader") for samples in before.values()) == 1
    assert _sum(before[leader], "nereid_leader") == 1
    ready = ("nereid_models", ("reason", "Ready"), ("status", "True"), ("type", "Ready"))
    assert before[leader][ready] >= 1
    kubectl.run("annotate", MODELS, minilm, "-n", namespace, "touched=1", "--overwrite")
    after = wait_for("counts that have moved", lambda: _moved(before[leader], _scrape(kubectl, leader)), seconds=30)
    assert not [labels for labels in after if minilm in str(labels) or namespace in str(labels)], "no user's names"


def test_the_leader_tells_of_a_model_and_the_follower_names_the_leader(kubectl, operators, leader, namespace, minilm):
    status, text = _get(kubectl, leader, 8081, f"/v1/models/{namespace}/{minilm}")
    model = json.loads(text)
    assert (status, model["ready"], model["lastPass"]["result"]) == (200, "True", "ok")
    assert [replica["phase"] for replica in model["replicas"]] == ["Ready"]
    (follower,) = set(operators) - {leader}
    status, text = _get(kubectl, follower, 8081, "/v1/models")
    assert (status, json.loads(text)["leader"]) == (503, leader)


def test_the_live_api_is_not_reached_over_the_network(kubectl, leader):
    """The API server's proxy connects to the pod's address, where nothing listens on that port."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{leader}:8081/proxy/v1/models"
    with pytest.raises(KubectlError, match="connection refused"):
        kubectl.run("get", "--raw", path)


def test_a_slow_fetch_tells_how_far_it_is(kubectl, leader, namespace, store, uploaded):
    """In status, and newer on the live API; the source is the store behind a slow line."""
    slow = start_slow_store(kubectl, store, bytes_per_second=2 << 20)
    source = {"endpoint": slow.endpoint, "region": "us-east-1"}
    model = {"source": source, "credentials": {"secretName": "slow-key"}}
    words = r"[\d.]+ of [\d.]+ MiB fetched at [\d.]+ MiB/s, about \d+ s left\."

    def told():
        return re.fullmatch(words, condition(kubectl.get(MODELS, "slow", namespace), "Ready").get("message", ""))

    def progress():
        return _progress(kubectl, leader, namespace, "slow")

    kubectl.apply(
        slow.credentials("slow-key", namespace),
        model_deployment("slow", namespace, uploaded["minilm"], store, model=model),
    )
    try:
        wait_for("the progress in status", told, seconds=120)
        state = kubectl.get(MODELS, "slow", namespace)["status"]["replicaStates"][0]
        assert (state["phase"], state["reason"]) == ("Fetching", "Downloading")
        first = wait_for("the progress on the live API", progress, seconds=20)
        later = wait_for(
            "more bytes", lambda: (new := progress()) and new["bytesDone"] > first["bytesDone"] and new, seconds=20
        )
        assert later["bytesTotal"] == first["bytesTotal"]
    finally:
        kubectl.run("delete", MODELS, "slow", "-n", namespace, "--wait=false")
        slow.stop()
