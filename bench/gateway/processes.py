"""Envoys of the benchmark that need no control plane: the backend, and the baseline with one route.

The backend answers every request by itself, at any address of loopback, after a fixed delay; its answer says at which
address it was asked.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from nereid_operator.render.ports import FRONTEND_PORT
from tests.binaries import envoy

ADDRESS_HEADER = "x-backend"
_FILTERS = "type.googleapis.com/envoy.extensions.filters"
_BODY = '{"object": "list", "data": []}'
_READY_SECONDS = 30.0


def backend_bootstrap(delay_seconds: float) -> dict[str, Any]:
    """Return the bootstrap of the backend."""
    answer = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": _BODY}},
        "response_headers_to_add": [
            {"header": {"key": ADDRESS_HEADER, "value": "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"}},
            {"header": {"key": "content-type", "value": "application/json"}},
        ],
    }
    delay = {
        "@type": f"{_FILTERS}.http.fault.v3.HTTPFault",
        "delay": {"fixed_delay": f"{delay_seconds}s", "percentage": {"numerator": 100}},
    }
    filters = [{"name": "envoy.filters.http.fault", "typed_config": delay}] if delay_seconds else []
    return {"static_resources": {"listeners": [_listener("0.0.0.0", FRONTEND_PORT, answer, filters)]}}  # noqa: S104


def bare_bootstrap(port: int, backend: str) -> dict[str, Any]:
    """Return the bootstrap of the baseline: one route to one address, and nothing else."""
    address = {"socket_address": {"address": backend, "port_value": FRONTEND_PORT}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    cluster = {"name": "backend", "load_assignment": {"cluster_name": "backend", "endpoints": endpoints}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "backend"}}
    return {"static_resources": {"listeners": [_listener("127.0.0.1", port, route, [])], "clusters": [cluster]}}


def _listener(address: str, port: int, route: Mapping[str, Any], filters: list[dict[str, Any]]) -> dict[str, Any]:
    router = {"name": "router", "typed_config": {"@type": f"{_FILTERS}.http.router.v3.Router"}}
    manager = {
        "@type": f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "http_filters": [*filters, router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    return {
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


@contextmanager
def running(name: str, bootstrap: Mapping[str, Any], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run Envoy with one worker until the block ends, which begins when it serves."""
    admin = folder / f"{name}.sock"
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**bootstrap, "admin": {"address": {"pipe": {"path": str(admin)}}}}))
    command = [str(envoy()), "-c", str(path), "--concurrency", "1", "--disable-hot-restart"]
    with (folder / f"{name}.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_until_listening(process, folder / f"{name}.log")
            yield process
        finally:
            process.kill()


def _wait_until_listening(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while "all dependencies initialized. starting workers" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"Envoy does not serve: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def resident_mib(pid: int) -> float:
    """Return VmRSS of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
