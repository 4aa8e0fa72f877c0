"""How the containers of a pod that goes end: in which order, and within which time."""

import socket
import subprocess
from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.validation import validate
from nereid_operator.plan.ir import Image, Platform
from nereid_operator.plan.planner import make_plan
from nereid_operator.render.draining import WAIT_FOR_FRONTEND
from nereid_operator.render.workload import deployment
from tests.unit.operator.resolved import RESOLVED

PLATFORM = Platform(Image("model-runtime:1", "IfNotPresent"), vllm_image="tritonserver:vllm")


def _pod(runtime: dict[str, Any]) -> dict[str, Any]:
    spec = {"model": {"uri": "hf://org/name"}, "runtime": runtime}
    md = validate({"metadata": {"name": "m", "namespace": "default", "uid": "u"}, "spec": spec})
    assert isinstance(md, ModelDeployment), md
    revision = make_plan(md, RESOLVED, PLATFORM, deployments=(), selected_revision="").revision
    pod: dict[str, Any] = deployment(revision)["spec"]["template"]["spec"]
    return pod


def _hook(pod: dict[str, Any], name: str) -> list[str]:
    container = next(one for one in pod["containers"] if one["name"] == name)
    command: list[str] = container["lifecycle"]["preStop"]["exec"]["command"]
    return command


def _figure(command: list[str], flag: str) -> int:
    return int(next(word for word in command if word.startswith(f"{flag}=")).removeprefix(f"{flag}="))


def test_triton_waits_for_the_frontend_and_the_pod_for_both():
    pod = _pod({})
    frontend, triton = _hook(pod, "frontend"), _hook(pod, "triton")
    assert frontend[:4] == ["python3", "-m", "model_runtime.drain", "frontend"]
    assert triton[:4] == ["python3", "-m", "model_runtime.drain", "triton"]
    assert _figure(frontend, "--port") == _figure(triton, "--frontend-port") == 8080
    grace, stream = _figure(frontend, "--grace-seconds"), _figure(frontend, "--seconds")
    assert _figure(triton, "--grace-seconds") == grace
    assert _figure(triton, "--seconds") > stream, "Triton must outlast the frontend's longest stream"
    arguments = next(one for one in pod["containers"] if one["name"] == "triton")["args"]
    own = _figure(arguments, "--exit-timeout-secs")
    assert pod["terminationGracePeriodSeconds"] > grace + _figure(triton, "--seconds") + own


@pytest.mark.parametrize("runtime", [{}, {"engine": "VLLM", "device": "GPU"}], ids=["our engine", "vLLM"])
def test_a_container_that_a_probe_ends_waits_for_nothing(runtime: dict[str, Any]):
    probes = [one[probe] for one in _pod(runtime)["containers"] for probe in ("startupProbe", "livenessProbe")]
    assert {probe["terminationGracePeriodSeconds"] for probe in probes} == {5}


def test_in_the_image_of_vllm_the_hook_needs_nothing_but_bash():
    shell, option, script = _hook(_pod({"engine": "VLLM", "device": "GPU"}), "triton")
    assert (shell, option) == ("bash", "-c")
    assert script == WAIT_FOR_FRONTEND.format(grace=5, seconds=65, port=8080)


def test_the_hook_of_vllm_ends_when_nobody_listens_any_more():
    with socket.create_server(("127.0.0.1", 0)) as frontend:
        frontend.settimeout(30)
        script = WAIT_FOR_FRONTEND.format(grace=0, seconds=600, port=frontend.getsockname()[1])
        with subprocess.Popen(["bash", "-c", script]) as hook:
            try:
                for _ in range(2):  # it asks, and asks again: the first answer has not ended it
                    frontend.accept()[0].close()
                frontend.close()
                assert hook.wait(timeout=30) == 0
            finally:
                hook.kill()


def test_the_hook_of_vllm_ends_when_its_time_is_over():
    with socket.create_server(("127.0.0.1", 0)) as frontend:
        script = WAIT_FOR_FRONTEND.format(grace=0, seconds=0, port=frontend.getsockname()[1])
        subprocess.run(["bash", "-c", script], check=True, timeout=30)
