"""The gateway's bootstrap as the chart gives it, in a folder where the wheel's Envoy can run it."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nereid_operator.gateway_drain import AdminConnection
from tests.binaries import binary, envoy
from tests.stack.certificates import Authority, make_authority
from tests.stack.helm import CHART, NAMESPACE, RELEASE
from tests.stack.wait import wait_for

URI = f"spiffe://nereid.dev/ns/{NAMESPACE}/gateway"
_PODS = {"/etc/nereid/bootstrap": "bootstrap", "/etc/nereid/xds": "xds", "/run/nereid": "run"}
_PATHS = re.compile("|".join(_PODS))


@dataclass(frozen=True, slots=True)
class Place:
    """Folders that stand for those of a gateway's pod, and the values that the chart was given."""

    folder: Path
    values: Mapping[str, Any]

    @property
    def bootstrap(self) -> Path:
        return self.folder / "bootstrap" / "envoy.yaml"

    @property
    def authority(self) -> Authority:
        """Who signed what is mounted now."""
        return Authority(self.folder / "xds" / "ca.crt", self.folder / "xds" / "ca.key")

    @property
    def admin(self) -> Path:
        return self.folder / "run" / "admin.sock"


def objects(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what helm makes of the values."""
    command = [str(binary("helm")), "template", RELEASE, str(CHART), "-n", NAMESPACE, "-f", "-"]
    done = subprocess.run(command, input=json.dumps(values), text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def only(kind: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one object of this kind and name."""
    (found,) = [item for item in objects(values) if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def lay_out(folder: Path, values: Mapping[str, Any]) -> Place:
    """Write ConfigMap and certificates of a gateway's pod, with the pod's paths turned into these."""
    for name in _PODS.values():
        (folder / name).mkdir()
    place = Place(folder, values)
    mount_secret(place, "first")
    for name, text in only("ConfigMap", f"{RELEASE}-gateway", values)["data"].items():
        (folder / "bootstrap" / name).write_text(_PATHS.sub(lambda path: str(folder / _PODS[path[0]]), text))
    return place


def mount_secret(place: Place, version: str) -> None:
    """Mount a new authority and a certificate of its for the gateway, as kubelet does: all files change at once."""
    mount = place.folder / "xds"
    data = mount / f"..{version}"
    data.mkdir()
    authority = make_authority(data)
    pair = authority.issue("gateway", f"URI:{URI}").read_text()
    start = pair.index("-----BEGIN CERTIFICATE")
    (data / "tls.crt").write_text(pair[start:])
    (data / "tls.key").write_text(pair[:start])
    (mount / "..next").symlink_to(data.name)
    (mount / "..next").rename(mount / "..data")
    for name in ("ca.crt", "ca.key", "tls.crt", "tls.key"):
        if not (mount / name).is_symlink():
            (mount / name).symlink_to(f"..data/{name}")


@contextmanager
def bootstrap_of(place: Place) -> Iterator[dict[str, Any]]:
    """Give the bootstrap to be changed in place."""
    bootstrap = yaml.safe_load(place.bootstrap.read_text())
    yield bootstrap
    place.bootstrap.write_text(json.dumps(bootstrap))


def named(items: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the cluster or listener of the name."""
    (found,) = [item for item in items if item["name"] == name]
    return found


def listen_at(place: Place, port: int) -> None:
    """Have the listener of the status pages listen on a port of loopback."""
    with bootstrap_of(place) as bootstrap:
        status = named(bootstrap["static_resources"]["listeners"], "status")
        status["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def find_operators_at(place: Place, leader: int, others: int) -> None:
    """Have the gateway look for the leader, and for other operators, at these ports of loopback."""
    with bootstrap_of(place) as bootstrap:
        endpoints = named(bootstrap["static_resources"]["clusters"], "xds")["load_assignment"]["endpoints"]
        for group, port in zip(endpoints, (leader, others), strict=True):
            address = group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
            address.update(address="127.0.0.1", port_value=port)


@contextmanager
def running(place: Place) -> Iterator["subprocess.Popen[bytes]"]:
    """Run Envoy with the chart's own arguments, and give it once its admin socket answers."""
    (container,) = only("Deployment", f"{RELEASE}-gateway", place.values)["spec"]["template"]["spec"]["initContainers"]
    arguments = [word.replace("$(POD_NAMESPACE)/$(POD_NAME)", "nereid-system/gateway-0") for word in container["args"]]
    arguments[arguments.index("--config-path") + 1] = str(place.bootstrap)
    with (place.folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen([envoy(), *arguments], stderr=log, stdout=log)
        try:
            wait_for(
                "Envoy's admin socket", lambda: _has_ended(place, process) or answers(place), seconds=20, interval=0.05
            )
            yield process
        finally:
            process.kill()
            process.wait()


def _has_ended(place: Place, process: "subprocess.Popen[bytes]") -> bool:
    """Raise RuntimeError with Envoy's last words where it has ended; return False."""
    if process.poll() is not None:
        raise RuntimeError(f"Envoy ended with {process.returncode}: {(place.folder / 'envoy.log').read_text()[-1000:]}")
    return False


def answers(place: Place) -> bool:
    try:
        return ask(place, "/ready") != b""
    except (FileNotFoundError, ConnectionRefusedError):
        return False


def ask(place: Place, target: str) -> bytes:
    """Return what a page of the admin interface holds."""
    connection = AdminConnection(place.admin)
    try:
        connection.request("GET", target)
        return connection.getresponse().read()
    finally:
        connection.close()


def stat(place: Place, name: str) -> int:
    """Return a counter or gauge; 0 where Envoy has none of that name."""
    (line,) = ask(place, f"/stats?filter=^{name}$").decode().splitlines() or ["none: 0"]
    return int(line.rpartition(" ")[2])
