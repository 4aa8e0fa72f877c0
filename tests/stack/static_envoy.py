"""The real Envoy with a snapshot as its static bootstrap: no control plane.

Endpoints and the certificate are files that Envoy watches, so that a test can change them; the rest is fixed. Used by
the golden tests, which only validate, and by tests/gateway, which send requests.
"""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nereid_operator.render.envoy.resources import CLUSTER, ENDPOINTS, FRONT, LISTENER, ROUTES, SECRET, Resources
from tests.binaries import envoy
from tests.stack.ports import free_ports
from tests.stack.wait import wait_for

# Apart from the logs, of which Envoy would be told at every line.
WATCHED = "watched"
# Address and port of a replica as the snapshot has them → where it listens here.
Places = Mapping[tuple[str, int], str]


@dataclass(frozen=True, slots=True)
class RunningEnvoy:
    """Where it listens and what it wrote: its own words to `errors`, the log of requests to `log`."""

    port: int
    admin: int
    folder: Path
    log: Path
    errors: Path
    process: subprocess.Popen[bytes]

    def tell(self, resources: Resources, places: Places) -> None:
        """Replace endpoints and certificate by those of another snapshot."""
        write_dynamic(resources, self.folder, places)

    def stat(self, name: str) -> int:
        """Return one of Envoy's own figures."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/stats?format=json", timeout=10) as answer:
            figures = json.load(answer)["stats"]
        return next(int(figure["value"]) for figure in figures if figure.get("name") == name)


def validate(resources: Resources, folder: Path) -> None:
    """Let Envoy read a snapshot; AssertionError with its words when it refuses."""
    write_dynamic(resources, folder, {})
    command = [str(envoy()), "--mode", "validate", "-c", str(_write_bootstrap(resources, folder, 0))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@contextmanager
def running_envoy(resources: Resources, folder: Path, places: Places) -> Iterator[RunningEnvoy]:
    """Run Envoy until the block ends, which begins when it listens."""
    write_dynamic(resources, folder, places)
    (admin,) = free_ports(1)
    log, errors = folder / "requests.log", folder / "envoy.log"
    bootstrap = _write_bootstrap(resources, folder, admin)
    # A base id of its own keeps it apart from the Envoys of other tests.
    command = [str(envoy()), "-c", str(bootstrap), "--concurrency", "1", "--use-dynamic-base-id"]
    command += ["--drain-time-s", "1", "--parent-shutdown-time-s", "2", "--file-flush-interval-msec", "50"]
    with log.open("wb") as output, errors.open("wb") as words:
        process = subprocess.Popen(command, stdout=output, stderr=words, env=dict(os.environ))
    port = resources[LISTENER][FRONT]["address"]["socket_address"]["port_value"]
    started = RunningEnvoy(port=port, admin=admin, folder=folder, log=log, errors=errors, process=process)
    try:
        wait_for("Envoy listens", lambda: _is_live(started), seconds=60, interval=0.05)
        yield started
    finally:
        process.terminate()
        process.wait(timeout=30)


def _is_live(started: RunningEnvoy) -> bool:
    if started.process.poll() is not None:
        raise RuntimeError(f"Envoy ended: {started.errors.read_text()[-4000:]}")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{started.admin}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def write_dynamic(resources: Resources, folder: Path, places: Places) -> None:
    """Write what Envoy watches: a file for each cluster's endpoints, and one for the certificate."""
    (folder / WATCHED).mkdir(exist_ok=True)
    for name, assignment in resources[ENDPOINTS].items():
        _write(_endpoints_file(name, folder), ENDPOINTS, _placed(assignment, places))
    for certificate in resources[SECRET].values():
        _write(folder / WATCHED / "secret.json", SECRET, certificate)


def _placed(assignment: Mapping[str, Any], places: Places) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(assignment))
    for endpoint in (endpoint for locality in copy["endpoints"] for endpoint in locality["lb_endpoints"]):
        address = endpoint["endpoint"]["address"]["socket_address"]
        place = places.get((address["address"], address["port_value"]))
        if place is not None:
            host, port = place.rsplit(":", 1)
            address.update({"address": host, "port_value": int(port)})
    return copy


def _write(path: Path, type_url: str, resource: Mapping[str, Any]) -> None:
    """Write atomically: Envoy reads a file when another takes its place."""
    text = json.dumps({"version_info": "1", "resources": [{"@type": type_url, **resource}]})
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def _endpoints_file(cluster: str, folder: Path) -> Path:
    return folder / WATCHED / f"endpoints.{cluster.replace('/', '.')}.json"


def _write_bootstrap(resources: Resources, folder: Path, admin: int) -> Path:
    path = folder / "bootstrap.json"
    path.write_text(json.dumps(_bootstrap(resources, folder, admin)))
    return path


def _bootstrap(resources: Resources, folder: Path, admin: int) -> dict[str, Any]:
    clusters = [_with_file(cluster, folder) for cluster in resources[CLUSTER].values()]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": admin}}
    return {
        "node": {"cluster": "nereid-gateway", "id": "nereid-system/static"},
        "admin": {"address": address},
        "static_resources": {
            "listeners": [_with_routes(resources, folder)],
            "clusters": [*clusters, _control_cluster()],
        },
    }


def _with_file(cluster: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    source = {"path_config_source": {"path": str(_endpoints_file(cluster["name"], folder))}}
    return {**cluster, "eds_cluster_config": {**cluster["eds_cluster_config"], "eds_config": source}}


def _with_routes(resources: Resources, folder: Path) -> dict[str, Any]:
    listener: dict[str, Any] = json.loads(json.dumps(resources[LISTENER][FRONT]))
    (chain,) = listener["filter_chains"]
    manager = chain["filters"][0]["typed_config"]
    del manager["rds"]
    manager["route_config"] = resources[ROUTES][FRONT]
    if "transport_socket" in chain:
        context = chain["transport_socket"]["typed_config"]["common_tls_context"]
        source = {"path_config_source": {"path": str(folder / WATCHED / "secret.json")}}
        context["tls_certificate_sds_secret_configs"][0]["sds_config"] = source
    return listener


def _control_cluster() -> dict[str, Any]:
    """Return the operator's cluster, at which nobody listens."""
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}}
    assignment = {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": "xds", "type": "STATIC", "load_assignment": assignment, "http2_protocol_options": {}}
