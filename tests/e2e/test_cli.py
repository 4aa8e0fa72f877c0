"""The command `nereid` against the real cluster, as a user runs it."""

import json
import os
import subprocess
import sys

import pytest

from tests.stack.kubectl import MODELS
from tests.stack.manifests import condition, model_deployment
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture
def nereid_command(cluster, namespace, both_models):
    """Run `nereid` in the tests' namespace; return its exit code and what it printed."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}

    def run(*arguments: str, stdin: str = "") -> tuple[int, str]:
        command = [sys.executable, "-m", "nereid_operator.cli", "-n", namespace, *arguments]
        done = subprocess.run(
            command, env=environment, input=stdin, text=True, capture_output=True, timeout=90, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_why_says_in_one_sentence_that_a_model_is_ready(nereid_command, minilm):
    code, said = nereid_command("why", minilm)
    assert code == 0, said
    assert len(said.strip().splitlines()) == 1
    assert "ready" in said


def test_why_names_the_cause_of_a_model_that_is_not(nereid_command, kubectl, namespace, store):
    kubectl.apply(model_deployment("nowhere", namespace, "s3://models/no-such-model", store))
    try:
        wait_for(
            "its refusal",
            lambda: condition(kubectl.get(MODELS, "nowhere", namespace), "Resolved").get("status") == "False",
            seconds=90,
        )
        code, said = nereid_command("why", "nowhere")
    finally:
        kubectl.run("delete", MODELS, "nowhere", "-n", namespace)
    assert code == 0, said
    assert "SourceNotFound" in said
    assert "nowhere-resolve-" in said
    assert "Next:" in said


def test_status_lists_the_models(nereid_command, minilm, smollm2):
    code, said = nereid_command("status")
    assert code == 0, said
    assert {minilm, smollm2} <= {line.split()[0] for line in said.splitlines()[1:]}


def test_live_status_comes_from_the_leader_by_a_port_forward(nereid_command, kubectl, namespace, minilm, smollm2):
    code, said = nereid_command("status", "--live")
    assert code == 0, said
    assert {minilm, smollm2} <= {line.split()[0] for line in said.splitlines()[1:]}
    code, said = nereid_command("status", "--live", minilm)
    assert code == 0, said
    assert f"{namespace}/{minilm}" in said
    assert "Queue:" in said
    pods = kubectl.select("pods", namespace, f"nereid.dev/model={minilm},nereid.dev/revision")
    assert {pod["metadata"]["name"] for pod in pods} <= set(said.split())


def test_plan_shows_what_would_be_made_and_makes_nothing(nereid_command, kubectl, namespace, store):
    manifest = model_deployment("planned", namespace, "s3://models/minilm", store)
    code, said = nereid_command("plan", "-f", "-", "--bytes", "90Mi", "--dtype", "F32", stdin=json.dumps(manifest))
    assert code == 0, said
    assert "Deployment" in said
    assert "Service" in said
    assert kubectl.get(MODELS, "planned", namespace) is None


def test_chat_answers_over_a_port_forward(nereid_command, smollm2):
    # The model samples, so what it says is its own; without a bound it may go on to the end of its context.
    code, said = nereid_command("chat", smollm2, "--message", "Tell me about Paris.", "--max-tokens", "24")
    assert code == 0, said
    assert len(said.split()) > 3


def test_an_unknown_model_is_one_line(nereid_command):
    code, said = nereid_command("why", "no-such-model")
    assert code == 1
    assert len(said.strip().splitlines()) == 1
    assert "no-such-model" in said
