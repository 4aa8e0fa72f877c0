"""The whole command against an API server on loopback: arguments in, text and exit code out."""

import asyncio
import copy
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.validation import validate
from nereid_operator.cli.__main__ import program, run
from nereid_operator.cli.terminal import Terminal
from nereid_operator.plan.ir import Image, Platform, Proxy
from nereid_operator.plan.planner import make_plan
from tests.unit.cli.objects import (
    NOW,
    REVISION,
    crashed,
    deployment,
    model,
    node,
    pod,
    ready_pod,
    resolved,
    unready,
)
from tests.unit.cli.servers import ApiServer, Model, serving
from tests.unit.cli.shell import Shell, against

MODELS = "/apis/nereid.dev/v1alpha1/namespaces/default/modeldeployments"
EMPTY = {"items": []}
BELOW = {
    "/api/v1/namespaces/default/pods": EMPTY,
    "/api/v1/namespaces/default/services": EMPTY,
    "/api/v1/namespaces/default/events": EMPTY,
    "/apis/apps/v1/namespaces/default/deployments": EMPTY,
    "/apis/batch/v1/namespaces/default/jobs": EMPTY,
}
OPERATOR: dict[str, Any] = {
    "metadata": {"namespace": "nereid-system"},
    "spec": {
        "template": {
            "spec": {
                "containers": [{"env": [{"name": "NEREID_MODEL_RUNTIME_IMAGE", "value": "example.com/runtime:7"}]}]
            }
        }
    },
}
WHOLE = {
    "/apis/apps/v1/deployments": {"items": [OPERATOR]},
    "/api/v1/nodes": {"items": [node("node-a")]},
    "/apis/nereid.dev/v1alpha1/servingpolicies": EMPTY,
    "/api/v1/pods": EMPTY,
    "/api/v1/namespaces/default/serviceaccounts": {"items": [{"metadata": {"name": "minilm-model"}}]},
    "/api/v1/namespaces/default/configmaps": EMPTY,
    "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies": EMPTY,
    "/apis/policy/v1/namespaces/default/poddisruptionbudgets": EMPTY,
}


def _with(body: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {f"{MODELS}/{body['metadata']['name']}": body, MODELS: {"items": [body]}, **BELOW, **more}


async def test_why_reads_what_is_below_the_model_and_the_log_of_what_crashed(tmp_path: Path):
    crash = pod(containers=[crashed("triton", 137, reason="OOMKilled")])
    objects = _with(model(*unready("OutOfMemory", "It ended."), readyReplicas=0))
    objects["/api/v1/namespaces/default/pods"] = {"items": [crash]}
    objects["/apis/apps/v1/namespaces/default/deployments"] = {"items": [deployment()]}
    server = ApiServer(objects)
    async with against(server, tmp_path) as shell:
        code, out, errors = await shell.run("why", "minilm")
    assert (code, errors) == (0, "")
    assert "used all its node's memory (OOMKilled). Its last log line: the last line." in out
    logs = [request for request in server.requests if "/log" in request]
    assert len(logs) == 1
    assert "container=triton" in logs[0]
    assert "tailLines=1" in logs[0]


async def test_everything_is_read_and_nothing_is_written(tmp_path: Path):
    server = ApiServer(_with(model(), **WHOLE))
    manifest = tmp_path / "model.yaml"
    manifest.write_text(yaml.safe_dump(model()))
    async with against(server, tmp_path) as shell:
        for command in (["why", "minilm"], ["status"], ["status", "minilm"], ["plan", "-f", str(manifest)]):
            code, _, errors = await shell.run(*command)
            assert (code, errors) == (0, "")
    assert server.requests
    assert all(request.startswith("GET ") for request in server.requests)


async def test_status_of_all_namespaces(tmp_path: Path):
    server = ApiServer({"/apis/nereid.dev/v1alpha1/modeldeployments": {"items": [model()]}})
    async with against(server, tmp_path) as shell:
        code, out, _ = await shell.run("status", "-A")
    assert code == 0
    assert out.startswith("NAMESPACE   NAME     READY")


async def test_a_namespace_without_models_is_said_to_be_so(tmp_path: Path):
    server = ApiServer({MODELS.replace("default", "team"): EMPTY})
    async with against(server, tmp_path, namespace="team") as shell:
        assert await shell.run("status") == (0, "No ModelDeployment in namespace team.\n", "")


async def test_the_namespace_of_the_command_line_wins_before_and_after_the_command(tmp_path: Path):
    server = ApiServer({MODELS.replace("default", "other"): EMPTY})
    async with against(server, tmp_path, namespace="team") as shell:
        assert (await shell.run("-n", "other", "status"))[0] == 0
        assert (await shell.run("status", "-n", "other"))[0] == 0


async def test_plan_takes_the_image_of_the_operator_and_the_facts_of_status(tmp_path: Path):
    server = ApiServer(_with(model(), **WHOLE))
    async with against(server, tmp_path) as shell:
        code, out, errors = await shell.run("plan", "-f", "-", stdin=yaml.safe_dump(model(replicas=2)))
        _, with_image, _ = await shell.run(
            "plan", "-f", "-", "--image", "example.com/runtime:7", stdin=yaml.safe_dump(model(replicas=2))
        )
    assert (code, errors) == (0, "")
    assert "The model was resolved before: 87.3 MiB" in out
    assert "All 2 replicas fit." in out
    assert "Note:" not in out
    rows = [line.split()[:3] for line in out.splitlines()]
    assert ["ServiceAccount", "minilm-model", "there"] in rows
    assert ["NetworkPolicy", "minilm", "new"] in rows
    assert with_image == out


async def test_plan_takes_the_proxies_of_the_operator_into_its_names(tmp_path: Path):
    proxy = {"name": "NEREID_HTTPS_PROXY", "value": "http://proxy.example.com:3128"}
    behind = copy.deepcopy(OPERATOR)
    behind["spec"]["template"]["spec"]["containers"][0]["env"].append(proxy)
    server = ApiServer(_with(model(), **{**WHOLE, "/apis/apps/v1/deployments": {"items": [behind]}}))
    async with against(server, tmp_path) as shell:
        _, out, _ = await shell.run("plan", "-f", "-", stdin=yaml.safe_dump(model(replicas=2)))
    md, facts = validate(model(replicas=2)), ResolvedModel.model_validate(resolved())
    assert isinstance(md, ModelDeployment)
    platform = Platform(Image("example.com/runtime:7", "IfNotPresent"), proxy=Proxy(None, proxy["value"], None))
    assert make_plan(md, facts, platform, deployments=(), selected_revision="").revision.name in out


async def test_plan_says_what_this_user_may_not_read(tmp_path: Path):
    refused = dict.fromkeys(WHOLE, 403)
    server = ApiServer(_with(model()), refused=refused)
    async with against(server, tmp_path) as shell:
        code, out, _ = await shell.run("plan", "-f", "-", stdin=yaml.safe_dump(model()))
    assert code == 0
    assert "Note: where it fits is not known: /api/v1/nodes is forbidden to this user" in out
    assert "--image gives another" in out


async def test_plan_of_a_new_model_with_a_guess_of_its_size(tmp_path: Path):
    server = ApiServer({**WHOLE})
    async with against(server, tmp_path) as shell:
        arguments = ("plan", "-f", "-", "--bytes", "500Mi", "--dtype", "BF16")
        code, out, _ = await shell.run(*arguments, stdin=yaml.safe_dump(model()))
    assert code == 0
    assert "taken to be 500.0 MiB of weights in BF16" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["Deployment", "minilm-<hash>", "new", "1", "replica", "of", "minilm"] in rows


def _with_policy(**spec: Any) -> dict[str, Any]:
    policy = {"metadata": {"name": "shared"}, "spec": {"namespaceSelector": {"matchLabels": {"tier": "x"}}, **spec}}
    return {
        **WHOLE,
        "/apis/nereid.dev/v1alpha1/servingpolicies": {"items": [policy]},
        "/api/v1/namespaces/default": {"metadata": {"name": "default", "labels": {"tier": "x"}}},
    }


async def test_plan_judges_by_the_policies_of_the_namespace(tmp_path: Path):
    async with against(ApiServer(_with_policy(maxReplicas=1)), tmp_path) as shell:
        code, out, errors = await shell.run("plan", "-f", "-", stdin=yaml.safe_dump(model(replicas=2)))
    assert (code, errors) == (1, "")
    assert "ModelDeployment minilm is forbidden by the platform's policies" in out
    assert "spec.replicas: is 2, but ServingPolicy shared allows at most 1 (maxReplicas)" in out


async def test_plan_fills_in_what_policies_do(tmp_path: Path):
    nowhere = {"pod": {"nodeSelector": {"pool": "none"}}}
    async with against(ApiServer(_with_policy(defaults=nowhere)), tmp_path) as shell:
        arguments = ("plan", "-f", "-", "--bytes", "500Mi", "--dtype", "BF16")
        code, out, _ = await shell.run(*arguments, stdin=yaml.safe_dump(model()))
    assert code == 0
    assert "pool=none" in out


async def test_plan_says_that_policies_could_not_be_read(tmp_path: Path):
    path = "/apis/nereid.dev/v1alpha1/servingpolicies"
    async with against(ApiServer({**WHOLE}, refused={path: 403}), tmp_path) as shell:
        code, out, _ = await shell.run("plan", "-f", "-", stdin=yaml.safe_dump(model()))
    assert code == 0
    assert f"ServingPolicies may forbid it or fill in defaults, but are not known: {path} is forbidden" in out


async def test_a_manifest_that_is_not_valid_ends_with_1(tmp_path: Path):
    wrong = {**model(), "spec": {"model": {"uri": "ftp://x"}}}
    async with against(ApiServer({**WHOLE}), tmp_path) as shell:
        code, out, errors = await shell.run("plan", "-f", "-", stdin=yaml.safe_dump_all([wrong, model()]))
    assert (code, errors) == (1, "")
    assert "spec.model.uri: is 'ftp://x' and must be" in out
    assert "ModelDeployment default/minilm is valid" in out


async def test_plan_works_without_a_cluster(tmp_path: Path):
    shell = Shell(tmp_path / "nothing")
    code, out, _ = await shell.run("plan", "-f", "-", "--bytes", "1G", stdin=yaml.safe_dump(model()))
    assert code == 0
    assert "Note: no cluster was asked: no way to a cluster" in out
    assert "not known: the nodes could not be read." in out


def _chatting() -> dict[str, Any]:
    objects = _with(model(model=resolved(task="Chat")))
    objects["/api/v1/namespaces/default/pods"] = {"items": [ready_pod()]}
    return objects


async def test_a_chat_goes_through_the_api_server_to_the_pod(tmp_path: Path):
    answering = Model(answers=[["Bon", "jour"], ["Au revoir"]])
    async with serving(web.post("/v1/chat/completions", answering.complete)) as port:
        server = ApiServer(_chatting(), forward_to=port)
        async with against(server, tmp_path) as shell:
            code, out, errors = await shell.run("chat", "minilm", stdin="hello\nbye\n")
    assert (code, out, errors) == (0, "Bonjour\nAu revoir\n", "")
    assert f"GET /api/v1/namespaces/default/pods/minilm-{REVISION}-x7k2p/portforward?ports=8080" in server.requests
    assert [message["content"] for message in answering.asked[1]["messages"]] == ["hello", "Bonjour", "bye"]


async def test_one_message(tmp_path: Path):
    answering = Model(answers=[["Paris"]])
    arguments = ("chat", "minilm", "--message", "Capital?", "--system", "Short.", "--max-tokens", "9")
    async with (
        serving(web.post("/v1/chat/completions", answering.complete)) as port,
        against(ApiServer(_chatting(), forward_to=port), tmp_path) as shell,
    ):
        assert await shell.run(*arguments, stdin="not read\n") == (0, "Paris\n", "")
    assert answering.asked[0]["max_tokens"] == 9


async def test_a_pod_that_does_not_take_the_connection(tmp_path: Path):
    async with serving() as port:
        closed = port
    async with against(ApiServer(_chatting(), forward_to=closed), tmp_path) as shell:
        code, out, errors = await shell.run("chat", "minilm", "--message", "x")
    assert (code, out) == (1, "")
    assert errors.startswith(f"nereid: the connection to pod minilm-{REVISION}-x7k2p was lost: ")
    assert errors.count("\n") == 1


async def test_a_user_who_may_not_forward_ports(tmp_path: Path):
    path = f"/api/v1/namespaces/default/pods/minilm-{REVISION}-x7k2p/portforward"
    async with against(ApiServer(_chatting(), refused={path: 403}), tmp_path) as shell:
        code, _, errors = await shell.run("chat", "minilm", "--message", "x")
    words = f"no connection to pod minilm-{REVISION}-x7k2p through the API server: Handshake status 403 Forbidden"
    need = "this user needs get and create on pods/portforward in namespace default"
    assert (code, errors) == (1, f"nereid: {words} ({need})\n")


ERRORS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "a model that is not there": (("why", "gone"), 1, 'ModelDeployment "gone" was not found in namespace "default"'),
    "a chat with a model that is not there": (("chat", "gone"), 1, 'ModelDeployment "gone" was not found'),
    "a namespace that this user may not read": (("status", "-n", "closed"), 1, "is forbidden to this user"),
    "a cluster without Nereid": (("status", "-A"), 1, "is Nereid installed?"),
    "a context that is not there": (("status", "--context", "nowhere"), 1, "no way to a cluster: "),
    "no command": ((), 2, "COMMAND (see nereid --help)"),
    "no name": (("why",), 2, "NAME (see nereid why --help)"),
    "a command that is none": (("explain", "x"), 2, "invalid choice: 'explain'"),
    "a file that is not there": (("plan", "-f", "nowhere.yaml"), 2, "nowhere.yaml cannot be read: No such file"),
    "a file without models": (("plan", "-f", "-"), 2, "- holds no ModelDeployment"),
    "a size that is none": (
        ("plan", "-f", "-", "--bytes", "big"),
        2,
        "'big' is no size: write for example 500M or 2Gi",
    ),
    "a type without a size": (("plan", "-f", "-", "--dtype", "F32"), 2, "--dtype is only for --bytes"),
    "a name and all namespaces": (("status", "-A", "x"), 2, "leave out -A, or NAME"),
    "tokens that are no number": (("chat", "x", "--max-tokens", "0"), 2, "'0' must be a whole number above 0"),
}


@pytest.mark.parametrize(("arguments", "code", "words"), ERRORS.values(), ids=ERRORS.keys())
async def test_an_error_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str):
    server = ApiServer(refused={MODELS.replace("default", "closed"): 403})
    async with against(server, tmp_path) as shell:
        found, out, errors = await shell.run(*arguments)
    assert (found, out) == (code, "")
    assert errors.startswith("nereid: ")
    assert words in errors
    assert errors.count("\n") == 1


async def test_an_api_server_that_is_not_there_is_one_line(tmp_path: Path):
    async with against(ApiServer(), tmp_path) as gone:
        shell = gone
    code, out, errors = await shell.run("status")
    assert (code, out) == (1, "")
    assert errors.startswith("nereid: the API server cannot be reached: ")
    assert errors.count("\n") == 1


class _Keyboard(io.StringIO):
    """A person at a terminal, who presses Ctrl-C instead of a second line."""

    def isatty(self) -> bool:
        return True

    def __next__(self) -> str:
        line = self.readline()
        if not line:
            raise KeyboardInterrupt
        return line


async def test_a_person_sees_a_prompt_and_leaves_with_ctrl_c(tmp_path: Path):
    answering, out, errors = Model(answers=[["Hi"]]), io.StringIO(), io.StringIO()
    async with (
        serving(web.post("/v1/chat/completions", answering.complete)) as port,
        against(ApiServer(_chatting(), forward_to=port), tmp_path) as shell,
    ):
        terminal = Terminal(_Keyboard("hello\n"), out, NOW)
        argv = ["chat", "minilm", "--kubeconfig", str(shell.kubeconfig)]
        code = await asyncio.to_thread(run, argv, prog="nereid", terminal=terminal, stderr=errors)
    assert (code, out.getvalue(), errors.getvalue()) == (130, "> Hi\n> ", "\n")


@pytest.mark.parametrize(
    ("path", "name"),
    [("/usr/bin/nereid", "nereid"), ("/usr/bin/kubectl-nereid", "kubectl nereid"), ("cli/__main__.py", "nereid")],
)
def test_the_command_calls_itself_what_was_typed(path: str, name: str):
    assert program(path) == name


def test_the_module_runs_as_a_program(tmp_path: Path):
    command = [sys.executable, "-m", "nereid_operator.cli", "--kubeconfig", str(tmp_path / "none"), "status"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("nereid: no way to a cluster: ")
    assert ended.stderr.count("\n") == 1
    shown = subprocess.run([*command[:3], "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert "why" in shown.stdout
