"""What the platform's settings and spec.model.source.caBundle change in names and pods, and what they leave alone."""

from dataclasses import replace
from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.validation import validate
from nereid_operator.plan.ir import CaBundle, Image, Plan, Platform, Proxy
from nereid_operator.plan.planner import make_plan, resolve_job
from nereid_operator.render.job import job
from nereid_operator.render.workload import deployment
from tests.unit.operator.resolved import RESOLVED

PLAIN = Platform(Image("model-runtime:1", "IfNotPresent"))
PROXY = Proxy(http=None, https="http://proxy.example.com:3128", no_proxy=".svc")
BUNDLE = {"source": {"caBundle": {"configMapName": "roots"}}}

CHANGES: dict[str, Platform] = {
    "a proxy": replace(PLAIN, proxy=PROXY),
    "certificates": replace(PLAIN, ca_bundle=CaBundle("roots", "ca.crt")),
    "a pull secret": replace(PLAIN, image_pull_secrets=("registry",)),
}


def _md(pod: dict[str, Any] | None = None, **model: Any) -> ModelDeployment:
    spec: dict[str, Any] = {"model": {"uri": "hf://org/name", **model}} | ({"pod": pod} if pod else {})
    md = validate({"metadata": {"name": "m", "namespace": "default", "uid": "u"}, "spec": spec})
    assert isinstance(md, ModelDeployment), md
    return md


def _plan(md: ModelDeployment, platform: Platform = PLAIN) -> Plan:
    return make_plan(md, RESOLVED, platform, deployments=(), selected_revision="")


def _pods(md: ModelDeployment, platform: Platform = PLAIN) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the pods of the resolve Job and of a replica."""
    asked = job(resolve_job(md, platform))["spec"]["template"]["spec"]
    return asked, deployment(_plan(md, platform).revision)["spec"]["template"]["spec"]


def test_names_stay_what_they_were_before_there_were_such_settings():
    """An operator that is upgraded must find its Deployments and Jobs again."""
    assert _plan(_md()).revision.hash == "12584bca"
    assert resolve_job(_md(), PLAIN).name == "m-resolve-1b7ba849"
    with_source = _md(source={"endpoint": "https://hub.example.com"}, credentials={"secretName": "hub"})
    assert _plan(with_source).revision.hash == "7c46f18b"
    assert resolve_job(with_source, PLAIN).name == "m-resolve-096b264d"


@pytest.mark.parametrize("platform", CHANGES.values(), ids=CHANGES.keys())
def test_a_setting_makes_another_revision_and_another_job_but_no_other_question(platform: Platform):
    """A model that is resolved is not resolved again for it: status is asked by the input hash."""
    assert _plan(_md(), platform).revision.hash != _plan(_md()).revision.hash
    assert resolve_job(_md(), platform).name != resolve_job(_md(), PLAIN).name
    assert resolve_job(_md(), platform).input_hash == resolve_job(_md(), PLAIN).input_hash


def test_a_bundle_of_the_spec_is_another_question():
    assert resolve_job(_md(**BUNDLE), PLAIN).input_hash != resolve_job(_md(), PLAIN).input_hash
    assert _plan(_md(**BUNDLE)).revision.hash != _plan(_md()).revision.hash


def test_the_bundle_of_the_spec_wins_over_the_platforms():
    platform = replace(PLAIN, ca_bundle=CaBundle("platform", "ca.crt"))
    for pod in _pods(_md(**BUNDLE), platform):
        assert [volume["configMap"]["name"] for volume in pod["volumes"] if volume["name"] == "ca-bundle"] == ["roots"]


def test_certificates_are_mounted_where_the_source_is_read_and_nowhere_else():
    asked, replica = _pods(_md(source={"caBundle": {"configMapName": "roots", "key": "bundle.pem"}}))
    items = [{"key": "bundle.pem", "path": "ca.crt"}]
    volume = {"name": "ca-bundle", "configMap": {"name": "roots", "items": items, "optional": True}}
    mount = {"name": "ca-bundle", "mountPath": "/var/run/nereid/ca", "readOnly": True}
    for pod, container in ((asked, asked["containers"][0]), (replica, replica["initContainers"][0])):
        assert volume in pod["volumes"]
        assert mount in container["volumeMounts"]
        assert "--ca-bundle=/var/run/nereid/ca/ca.crt" in container["args"]
    for container in replica["containers"]:
        assert mount not in container["volumeMounts"]
        assert not any("ca-bundle" in argument for argument in container["args"])


def test_proxies_are_variables_of_what_reads_the_source_and_of_nothing_else():
    asked, replica = _pods(_md(), replace(PLAIN, proxy=PROXY))
    expected = [
        {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"},
        {"name": "NO_PROXY", "value": ".svc"},
    ]
    assert asked["containers"][0]["env"] == expected
    assert replica["initContainers"][0]["env"] == expected
    for container in replica["containers"]:
        assert "HTTPS_PROXY" not in {variable["name"] for variable in container.get("env", ())}


def test_a_variable_of_the_spec_wins_over_the_platforms():
    """A name that stood twice would be refused by the API server."""
    spec = {"env": [{"name": "NO_PROXY", "value": "*"}, {"name": "TZ", "value": "UTC"}]}
    _, replica = _pods(_md(pod=spec), replace(PLAIN, proxy=PROXY))
    assert replica["initContainers"][0]["env"] == [
        {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"},
        {"name": "NO_PROXY", "value": "*"},
        {"name": "TZ", "value": "UTC"},
    ]


def test_pull_secrets_of_spec_and_platform_stand_together_each_once():
    platform = replace(PLAIN, image_pull_secrets=("platform", "team"))
    for pod in _pods(_md(pod={"imagePullSecrets": [{"name": "team"}]}), platform):
        assert pod["imagePullSecrets"] == [{"name": "team"}, {"name": "platform"}]
    for pod in _pods(_md(), platform):
        assert pod["imagePullSecrets"] == [{"name": "platform"}, {"name": "team"}]
