"""The test cluster is a real Kubernetes: what pods, users and crashes do to it. Its own pods are its witnesses."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cluster.embedded.node import MOUNT_POINTS
from tests.stack.components import pid_of, send
from tests.stack.kubectl import Kubectl, KubectlError
from tests.stack.manifests import restricted_namespace
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
BUSYBOX = "nereid.dev/busybox:1"


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.cluster", *arguments], cwd=REPOSITORY, text=True, capture_output=True, check=False
    )


@pytest.fixture(scope="module")
def kube(cluster):
    return Kubectl(cluster.kubeconfig)


@pytest.fixture
def space(kube):
    name = f"cluster-{secrets.token_hex(3)}"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    wait_for("default service account", lambda: kube.get("serviceaccount", "default", name), seconds=20)
    yield name
    kube.run("delete", "namespace", name, "--wait=false")


def pod(name, space, script, *, volumes=(), mounts=(), limits=None, node=None):
    container = {
        "name": "main",
        "image": BUSYBOX,
        "command": ["/bin/sh", "-c", script],
        "volumeMounts": list(mounts),
        "resources": {"limits": limits or {}},
    }
    spec = {"containers": [container], "volumes": list(volumes), "terminationGracePeriodSeconds": 0}
    if node:
        spec |= {"nodeName": node}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": space, "labels": {"app": name}},
        "spec": spec,
    }


def await_ready(kube, space, name):
    kube.run("wait", "--for=condition=Ready", f"pod/{name}", "-n", space, "--timeout=60s")


def test_a_pod_answers_through_its_service_from_host_and_pod(kube, space):
    kube.apply(
        pod("web", space, "mkdir /tmp/w; echo hello > /tmp/w/index.html; echo started; httpd -f -p 8080 -h /tmp/w"),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": space},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        pod("client", space, "sleep 600"),
    )
    await_ready(kube, space, "web")
    await_ready(kube, space, "client")
    address = kube.get("service", "web", space)["spec"]["clusterIP"]
    assert wait_for("answer to the host", lambda: _fetch(f"http://{address}/"), seconds=20) == "hello\n"
    assert kube.run("logs", "web", "-n", space) == "started\n"
    url = f"http://web.{space}.svc.cluster.local/"
    assert kube.run("exec", "client", "-n", space, "--", "wget", "-qO-", url) == "hello\n"
    with kube.port_forward("service/web", space, 80) as local:
        assert _fetch(f"http://127.0.0.1:{local[80]}/") == "hello\n"


def test_a_name_outside_the_cluster_fails_at_once(kube, space):
    kube.apply(pod("client", space, "sleep 600"))
    await_ready(kube, space, "client")
    with pytest.raises(KubectlError, match=re.compile("NXDOMAIN|can't resolve|exit code 1")):
        kube.run("exec", "client", "-n", space, "--", "nslookup", "model.example.com", seconds=10)


def test_a_claim_is_bound_and_written(kube, space):
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": space},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        },
        pod(
            "writer",
            space,
            "echo kept > /data/file; cat /data/file; sleep 600",
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            mounts=[{"name": "data", "mountPath": "/data"}],
        ),
    )
    await_ready(kube, space, "writer")
    assert kube.get("pvc", "data", space)["status"]["phase"] == "Bound"
    assert wait_for("log", lambda: kube.run("logs", "writer", "-n", space) or None, seconds=10) == "kept\n"


def test_a_pod_with_a_gpu_is_scheduled(kube, space):
    kube.apply(pod("gpu", space, "sleep 600", limits={"nvidia.com/gpu": "1"}))
    await_ready(kube, space, "gpu")


def test_a_restricted_namespace_refuses_a_root_pod(kube):
    name = f"cluster-{secrets.token_hex(3)}"
    kube.apply(restricted_namespace(name))
    try:
        with pytest.raises(KubectlError, match='violates PodSecurity "restricted'):
            kube.apply(pod("root", name, "id"))
    finally:
        kube.run("delete", "namespace", name, "--wait=false")


def test_kwok_plays_nodes_and_the_pods_on_them(kube, space):
    done = tool("kwok-nodes", "2")
    assert done.returncode == 0, done.stderr
    nodes = {node["metadata"]["name"]: node for node in kube.select("nodes", "default", "type=kwok")}
    assert nodes["kwok-1"]["status"]["allocatable"]["nvidia.com/gpu"] == "8"
    kube.apply(pod("played", space, "exit 1", node="kwok-1"))
    await_ready(kube, space, "played")


def test_a_client_that_wants_a_list_as_a_stream_is_told_to_list(kube):
    """etcd 3.4 cannot stream one. kwok would try again ever more slowly, and its nodes would lose their Leases."""
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=5"
    with pytest.raises(KubectlError, match="sendInitialEvents is forbidden"):
        kube.run("get", "--raw", f"/api/v1/nodes?{query}")


def test_the_audit_log_names_who_asked_for_what(kube, cluster, space):
    def seen():
        entries = (json.loads(line) for line in cluster.audit_log.read_text().splitlines() if line.endswith("}"))
        return [e for e in entries if e["verb"] == "patch" and (e.get("objectRef") or {}).get("name") == space] or None

    kube.run("label", "namespace", space, "seen=yes")
    (entry,) = wait_for("audit entry", seen, seconds=10)
    assert entry["user"]["username"] == "nereid-admin"


@pytest.mark.parametrize("name", ["etcd", "kubelet", "containerd"])
def test_a_killed_component_comes_back(kube, space, name):
    pid = pid_of(name)
    send(name, signal.SIGKILL)
    wait_for(f"{name} is back", lambda: pid_of(name) not in (None, pid), seconds=60)
    manifest = pod("after", space, "sleep 600")
    wait_for("API server takes writes", lambda: _applied(kube, manifest), seconds=60)
    await_ready(kube, space, "after")
    assert tool("up").returncode == 0


def test_down_leaves_nothing_and_disturbs_no_other_cluster(kube, space):
    """A second cluster beside the shared one comes up, loses its supervisor, is mended, and goes without a trace."""
    name = "second"
    try:
        up = tool("--name", name, "up")
        assert up.returncode == 0, up.stderr
        (supervisor,) = [int(p.name) for p in Path("/proc").iterdir() if _is_first_process(p, name)]
        os.kill(supervisor, signal.SIGKILL)
        wait_for("its end", lambda: tool("--name", name, "status").returncode == 1, seconds=20)
        mended = tool("--name", name, "up")
        assert mended.returncode == 0, mended.stderr
    finally:
        down = tool("--name", name, "down")
    assert down.returncode == 0, down.stderr
    assert not Path(f"/run/netns/{name}").exists()
    assert name not in Path("/proc/mounts").read_text()
    kube.apply(pod("undisturbed", space, "sleep 600"))
    await_ready(kube, space, "undisturbed")
    assert not any(folder.exists() and any(folder.iterdir()) for folder in MOUNT_POINTS)


def _fetch(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return None


def _applied(kube: Kubectl, manifest: dict) -> bool:
    try:
        kube.apply(manifest)
    except KubectlError:
        return False
    return True


def _is_first_process(folder: Path, name: str) -> bool:
    """Tell whether a folder of /proc is the supervisor of the named cluster, seen as PID 1 inside."""
    try:
        words = (folder / "cmdline").read_text().split("\0")
        last = re.search(r"^NSpid:.*\s(\d+)$", (folder / "status").read_text(), re.MULTILINE)
    except OSError:
        return False
    ours = any(word.endswith(f"nereid-cluster/{name}") for word in words)
    return ours and last is not None and last.group(1) == "1"
