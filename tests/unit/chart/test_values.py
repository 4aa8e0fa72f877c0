"""values.schema.json: helm refuses a wrong value, names it by its path and says what would be right."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.binaries import binary

REPOSITORY = Path(__file__).parents[3]
CHART = REPOSITORY / "charts" / "nereid"

# What is set → the path that helm must name, and a word of the reason.
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "a value at the top that there is not": ({"replicas": 2}, "''", "'replicas' not allowed"),
    "a misspelt value": ({"operator": {"replica": 2}}, "'/operator'", "'replica' not allowed"),
    "no operator at all": ({"operator": {"replicas": 0}}, "'/operator/replicas'", "minimum"),
    "replicas as text": ({"operator": {"replicas": "two"}}, "'/operator/replicas'", "want integer"),
    "a Lease too short to renew": ({"operator": {"leaseSeconds": 1}}, "'/operator/leaseSeconds'", "minimum"),
    "no passes at once": ({"operator": {"concurrency": 0}}, "'/operator/concurrency'", "minimum"),
    "a resync every second": ({"operator": {"resyncSeconds": 1}}, "'/operator/resyncSeconds'", "minimum"),
    "a log level in lower case": ({"operator": {"logLevel": "debug"}}, "'/operator/logLevel'", "'DEBUG'"),
    "a log format there is not": ({"operator": {"logFormat": "xml"}}, "'/operator/logFormat'", "'json'"),
    "namespaces as one text": ({"operator": {"watchNamespaces": "a,b"}}, "'/operator/watchNamespaces'", "want array"),
    "a namespace in capitals": (
        {"operator": {"watchNamespaces": ["a", "Team"]}},
        "'/operator/watchNamespaces/1'",
        "pattern",
    ),
    "a namespace named twice": ({"operator": {"watchNamespaces": ["a", "a"]}}, "'/operator/watchNamespaces'", "equal"),
    "a node selector that is no text": (
        {"operator": {"nodeSelector": {"gpu": True}}},
        "'/operator/nodeSelector/gpu'",
        "want string",
    ),
    "a toleration of an effect there is not": (
        {"operator": {"tolerations": [{"effect": "NoRun"}]}},
        "'/operator/tolerations/0/effect'",
        "'NoSchedule'",
    ),
    "memory in a unit there is not": (
        {"operator": {"resources": {"limits": {"memory": "256MB"}}}},
        "'/operator/resources/limits/memory'",
        "pattern",
    ),
    "a spread without a key": (
        {"operator": {"topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]}},
        "'/operator/topologySpreadConstraints/0'",
        "'topologyKey'",
    ),
    "a priority class with a blank": (
        {"operator": {"priorityClassName": "very high"}},
        "'/operator/priorityClassName'",
        "pattern",
    ),
    "a network policy as a switch": ({"operator": {"networkPolicy": True}}, "'/operator/networkPolicy'", "want object"),
    "a scraper that selects nothing": (
        {"operator": {"networkPolicy": {"scrapers": [{}]}}},
        "'/operator/networkPolicy/scrapers/0'",
        "minProperties",
    ),
    "a registry as a URL": ({"image": {"registry": "https://example.org"}}, "'/image/registry'", "pattern"),
    "a tag with a colon": ({"image": {"tag": "nereid:1"}}, "'/image/tag'", "pattern"),
    "a digest without its algorithm": (
        {"image": {"digests": {"operator": "a" * 64}}},
        "'/image/digests/operator'",
        "sha256",
    ),
    "a digest of an image there is not": (
        {"image": {"digests": {"gateway": ""}}},
        "'/image/digests'",
        "'gateway' not allowed",
    ),
    "an image of vLLM with a space": ({"images": {"vllm": "triton server"}}, "'/images/vllm'", "pattern"),
    "a pull policy of another spelling": ({"image": {"pullPolicy": "always"}}, "'/image/pullPolicy'", "'Always'"),
    "pull secrets as objects": ({"image": {"pullSecrets": [{"name": "key"}]}}, "'/image/pullSecrets/0'", "want string"),
    "an interval without a unit": (
        {"metrics": {"serviceMonitor": {"interval": "30"}}},
        "'/metrics/serviceMonitor/interval'",
        "pattern",
    ),
    "a switch as text": (
        {"metrics": {"serviceMonitor": {"enabled": "yes"}}},
        "'/metrics/serviceMonitor/enabled'",
        "want boolean",
    ),
    "a gateway by a misspelt type": (
        {"gateway": {"service": {"type": "External"}}},
        "'/gateway/service/type'",
        "'NodePort'",
    ),
    "no gateway at all": ({"gateway": {"replicas": 0}}, "'/gateway/replicas'", "minimum"),
    "an image of Envoy without a tag": ({"gateway": {"image": {"tag": ""}}}, "'/gateway/image/tag'", "pattern"),
    "a drain without time": ({"gateway": {"drainSeconds": 0}}, "'/gateway/drainSeconds'", "minimum"),
    "a port of nodes as text": (
        {"gateway": {"service": {"nodePort": "30443"}}},
        "'/gateway/service/nodePort'",
        "integer",
    ),
    "an ingress for a URL": (
        {"gateway": {"ingress": {"host": "https://models.example.org"}}},
        "'/gateway/ingress/host'",
        "pattern",
    ),
    "a route to a parent without a name": (
        {"gateway": {"httpRoute": {"parentRefs": [{"namespace": "infrastructure"}]}}},
        "'/gateway/httpRoute/parentRefs/0'",
        "'name'",
    ),
    "a certificate as PEM": (
        {"gateway": {"tls": {"secretName": "-----BEGIN CERTIFICATE-----"}}},
        "'/gateway/tls/secretName'",
        "pattern",
    ),
    "a client that selects nothing": (
        {"gateway": {"networkPolicy": {"clients": [{}]}}},
        "'/gateway/networkPolicy/clients/0'",
        "minProperties",
    ),
    "roles as a list": ({"rbac": {"aggregateRoles": ["view"]}}, "'/rbac/aggregateRoles'", "want boolean"),
}


def _template(values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [str(binary("helm")), "template", "nereid", str(CHART), "-f", "-"]
    return subprocess.run(command, input=json.dumps(values), text=True, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(("values", "path", "word"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_refused_by_its_path(values: dict[str, Any], path: str, word: str):
    done = _template(values)
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("- at")]
    assert f"at {path}" in line
    assert word in line


# What each value allows and both together do not → what helm says.
AT_ODDS: dict[str, tuple[dict[str, Any], str]] = {
    "two certificates": (
        {"tls": {"secretName": "mine", "selfSigned": True}},
        "gateway.tls: selfSigned is true and secretName is set; it takes one of them",
    ),
    "an ingress with a certificate for no host": (
        {"ingress": {"enabled": True, "tlsSecretName": "mine"}},
        "gateway.ingress.host: a certificate is for a host; name it",
    ),
    "a route that belongs to nothing": (
        {"httpRoute": {"enabled": True}},
        "gateway.httpRoute.parentRefs: name the Gateway that the route belongs to",
    ),
    "fewer pods at most than at least": (
        {"autoscaling": {"enabled": True, "minReplicas": 4, "maxReplicas": 3}},
        "gateway.autoscaling.maxReplicas is 3; it must not be below minReplicas, which is 4",
    ),
    "a port of nodes without one": (
        {"service": {"nodePort": 30443}},
        "gateway.service.nodePort is 30443; a Service of type ClusterIP has none",
    ),
}


@pytest.mark.parametrize(("gateway", "sentence"), AT_ODDS.values(), ids=AT_ODDS.keys())
def test_values_that_do_not_go_together_are_refused_by_name(gateway: dict[str, Any], sentence: str):
    done = _template({"gateway": gateway})
    assert done.returncode != 0
    assert sentence in done.stderr


def test_every_value_has_a_schema_and_every_schema_a_value():
    """Free maps end the comparison: what is in them is not the chart's."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    del schema["properties"]["global"]
    assert _value_paths(values, schema) == _schema_paths(schema)


def test_chart_application_and_package_have_one_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]


def _schema_paths(schema: dict[str, Any], path: str = "") -> set[str]:
    if "required" not in schema:
        return {path}
    return {found for name, child in schema["properties"].items() for found in _schema_paths(child, f"{path}.{name}")}


def _value_paths(value: Any, schema: dict[str, Any], path: str = "") -> set[str]:
    if "required" not in schema:
        return {path}
    return {
        found
        for name, child in value.items()
        for found in _value_paths(child, schema["properties"].get(name, {}), f"{path}.{name}")
    }
