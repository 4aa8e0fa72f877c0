"""Each gateway of gateways.py → its resources, compared with gateway/; Envoy itself reads every one of them."""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf import json_format

from nereid_operator.plan.gateway_ir import Certificate
from nereid_operator.render.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET
from nereid_operator.render.envoy.snapshot import owners, snapshot
from tests.golden.gateways import GATEWAYS
from tests.stack.certificates import make_authority
from tests.stack.static_envoy import validate

FOLDER = Path(__file__).parent / "gateway"
MESSAGES: dict[str, Any] = {
    CLUSTER: Cluster,
    ENDPOINTS: ClusterLoadAssignment,
    LISTENER: Listener,
    ROUTES: RouteConfiguration,
    SECRET: Secret,
}
# What the resources above hold as Any: JSON is read only with the modules of all of them loaded.
HELD = (
    "config.route.v3.route_components_pb2",
    "extensions.access_loggers.filters.cel.v3.cel_pb2",
    "extensions.access_loggers.grpc.v3.als_pb2",
    "extensions.access_loggers.stream.v3.stream_pb2",
    "extensions.filters.http.header_to_metadata.v3.header_to_metadata_pb2",
    "extensions.filters.http.json_to_metadata.v3.json_to_metadata_pb2",
    "extensions.filters.http.rbac.v3.rbac_pb2",
    "extensions.filters.http.router.v3.router_pb2",
    "extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    "extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2",
    "extensions.load_balancing_policies.least_request.v3.least_request_pb2",
    "extensions.load_balancing_policies.ring_hash.v3.ring_hash_pb2",
    "extensions.matching.common_inputs.network.v3.network_inputs_pb2",
    "extensions.retry.host.previous_hosts.v3.previous_hosts_pb2",
    "extensions.transport_sockets.tls.v3.tls_pb2",
    "extensions.upstreams.http.v3.http_protocol_options_pb2",
    "type.matcher.v3.http_inputs_pb2",
)
NAMES = pytest.mark.parametrize("name", GATEWAYS)


class _Readable(yaml.SafeDumper):
    """Writes repeated values out instead of anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


@NAMES
def test_every_gateway_gives_the_resources_on_file(name: str, update_golden: bool):
    golden = FOLDER / f"{name}.resources.yaml"
    text = yaml.dump(snapshot(GATEWAYS[name]), Dumper=_Readable, sort_keys=False, width=120)
    if update_golden:
        golden.write_text(text)
    assert golden.read_text() == text, f"{golden.name} differs: review, then pytest tests/golden --update-golden"


@NAMES
def test_envoy_takes_every_gateway(name: str, tmp_path: Path):
    gateway = GATEWAYS[name]
    if gateway.certificate is not None:
        pem = make_authority(tmp_path).issue("gateway", "DNS:gateway.example.com").read_text()
        gateway = replace(gateway, certificate=Certificate(chain=pem, key=pem))
    validate(snapshot(gateway), tmp_path)


@NAMES
def test_every_resource_is_a_message_of_its_type(name: str):
    for module in HELD:
        importlib.import_module(f"envoy.{module}")
    importlib.import_module("xds.type.v3.typed_struct_pb2")
    for type_url, resources in snapshot(GATEWAYS[name]).items():
        for resource_name, resource in resources.items():
            message = json_format.ParseDict(resource, MESSAGES[type_url]())
            field = "cluster_name" if type_url == ENDPOINTS else "name"
            assert getattr(message, field) == resource_name


@NAMES
def test_what_belongs_to_a_model_is_its_own(name: str):
    resources, known = snapshot(GATEWAYS[name]), owners(GATEWAYS[name])
    assert set(resources[CLUSTER]) == set(resources[ENDPOINTS]) == set(known)
    assert set(known.values()) == {(model.namespace, model.name) for model in GATEWAYS[name].models if model.backends}


def test_a_listener_is_the_same_whatever_the_models_are():
    first, second = (snapshot(GATEWAYS[name])[LISTENER] for name in ("no-models", "one-model"))
    assert json.dumps(first) == json.dumps(second)


def test_what_did_not_change_is_the_same_object():
    """So that whoever sends the resources need not compare thousands of them."""
    before = GATEWAYS["every-kind"]
    first, *rest = before.models
    after = replace(before, models=(replace(first, timeout_seconds=7), *rest))
    old, new = snapshot(before), snapshot(after)
    for kind in (CLUSTER, ENDPOINTS):
        assert all(new[kind][name] is resource for name, resource in old[kind].items())
    assert new[ROUTES] != old[ROUTES]
