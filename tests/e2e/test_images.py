"""The images as they run: not root, nothing to build with, a file system that cannot be written."""

import pytest

from tests.stack.helm import NAMESPACE
from tests.stack.kubectl import KubectlError

pytestmark = pytest.mark.e2e

BUILD_TOOLS = ("gcc", "cc", "g++", "make", "ld", "pip", "pip3", "git", "curl")


@pytest.fixture(params=["operator", "triton", "frontend"])
def inside(request, kubectl, namespace, both_models):
    """Run a shell command in a container of the kind."""
    where, selector = {
        "operator": (NAMESPACE, "app.kubernetes.io/name=nereid-operator"),
        "triton": (namespace, "nereid.dev/model=minilm,nereid.dev/revision"),
        "frontend": (namespace, "nereid.dev/model=minilm,nereid.dev/revision"),
    }[request.param]
    running = [pod for pod in kubectl.select("pods", where, selector) if "deletionTimestamp" not in pod["metadata"]]
    pod = running[0]["metadata"]["name"]
    return lambda command: kubectl.run("exec", "-n", where, pod, "-c", request.param, "--", "sh", "-c", command)


def test_it_runs_as_nobody_in_particular(inside):
    assert inside("id -u; id -g").split() == ["65532", "65532"]
    assert "CapEff:\t0000000000000000" in inside("cat /proc/self/status")


def test_it_has_nothing_to_build_with(inside):
    found = inside("; ".join(f"command -v {tool} || true" for tool in BUILD_TOOLS))
    assert found == ""


def test_its_root_cannot_be_written(inside):
    with pytest.raises(KubectlError, match="Read-only file system"):
        inside("echo x > /opt/x")


def test_no_secret_of_the_build_stays(inside):
    environment = inside("env")
    assert "PIP_" not in environment
    assert "CERT" not in environment
