"""Where chart, operator and gateway have to agree: names, ports, labels and rights."""

from typing import Any

import pytest

from nereid_operator.api.resources import LABEL_LEADER
from nereid_operator.render.ports import FRONTEND_PORT, GRPC_PORT, HTTP_PORT, XDS_PORT
from nereid_operator.settings import from_env
from nereid_operator.xds.identity import NODE_CLUSTER
from tests.stack.gateway_pod import objects, only
from tests.stack.helm import NAMESPACE

OPERATOR = "nereid-operator"
GATEWAY = "nereid-gateway"


def _operator(values: dict[str, Any]) -> dict[str, Any]:
    (container,) = only("Deployment", OPERATOR, values)["spec"]["template"]["spec"]["containers"]
    return container


def _settings(values: dict[str, Any]):
    return from_env({entry["name"]: entry.get("value", NAMESPACE) for entry in _operator(values)["env"]}).gateway


def _secrets(values: dict[str, Any]) -> dict[str, set[str]]:
    """Return the verbs of the operator on each Secret, by name; those without a name under ''."""
    found: dict[str, set[str]] = {}
    for rule in only("Role", f"{GATEWAY}-operator", values)["rules"]:
        if rule["resources"] == ["secrets"]:
            for name in rule.get("resourceNames", [""]):
                found.setdefault(name, set()).update(rule["verbs"])
    return found


def test_the_operator_is_told_of_the_gateway_that_there_is():
    settings = _settings({})
    assert (settings.name, settings.port, settings.tls_secret) == ("nereid", 8080, "")
    (envoy,) = only("Deployment", GATEWAY, {})["spec"]["template"]["spec"]["initContainers"]
    assert {"name": "front", "containerPort": settings.port} in envoy["ports"]
    assert settings.url(NAMESPACE) == f"http://{GATEWAY}.{NAMESPACE}.svc"


def test_the_operator_is_told_that_there_is_none():
    assert _settings({"gateway": {"enabled": False}}) is None


@pytest.mark.parametrize(
    ("tls", "secret", "self_signed", "verbs"),
    [
        ({"secretName": "mine"}, "mine", False, {"get"}),
        ({"selfSigned": True}, "nereid-gateway-tls", True, {"get", "patch"}),
    ],
    ids=["a Secret", "self-signed"],
)
def test_the_operator_reads_the_certificate_of_the_listener_and_writes_only_its_own(tls, secret, self_signed, verbs):
    values = {"gateway": {"tls": tls}}
    settings = _settings(values)
    assert (settings.tls_secret, settings.tls_self_signed) == (secret, self_signed)
    assert _secrets(values)[secret] == verbs
    (port,) = only("Service", GATEWAY, values)["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("https", 443, settings.port)


def test_the_operator_has_the_secrets_of_the_control_plane_and_no_other():
    own = {f"nereid-xds-{part}": {"get", "patch"} for part in ("ca", "server", "client")}
    assert _secrets({}) == {"": {"create"}, **own}


def test_the_gateways_ask_where_the_operator_listens():
    assert {"name": "xds", "containerPort": XDS_PORT} in _operator({})["ports"]
    for service in ("nereid-xds", OPERATOR):
        assert {"name": "xds", "port": XDS_PORT, "targetPort": "xds"} in only("Service", service, {})["spec"]["ports"]
    assert only("Service", "nereid-xds", {})["spec"]["selector"][LABEL_LEADER] == "true"
    bootstrap = only("ConfigMap", GATEWAY, {})["data"]["envoy.yaml"]
    assert f"cluster: {NODE_CLUSTER}\n" in bootstrap
    assert bootstrap.count(f"port_value: {XDS_PORT}}}") == 2


def test_the_gateway_may_reach_the_operator_and_the_ports_of_replicas():
    dns, operator, replicas = only("NetworkPolicy", GATEWAY, {})["spec"]["egress"]
    assert [port["port"] for port in dns["ports"]] == [53, 53]
    assert [port["port"] for port in operator["ports"]] == [XDS_PORT]
    assert {port["port"] for port in replicas["ports"]} == {FRONTEND_PORT, HTTP_PORT, GRPC_PORT}
    assert replicas["to"][0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "nereid-model"}


def test_pods_of_the_gateway_may_run_where_only_restricted_ones_may():
    spec = only("Deployment", GATEWAY, {})["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_without_the_gateway_nothing_of_it_is_there():
    names = {item["metadata"]["name"] for item in objects({"gateway": {"enabled": False}})}
    assert {name for name in names if "gateway" in name or "xds" in name} == set()
    assert _operator({"gateway": {"enabled": False}})["ports"] == [{"name": "http", "containerPort": 8080}]
