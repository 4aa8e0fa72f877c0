"""What ServingPolicies make of a ModelDeployment: limits, hosts, defaults, several policies, broken ones."""

from collections.abc import Mapping
from typing import Any

import pytest

from nereid_operator.api.conditions import Reason
from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.policy_validation import read_policy
from nereid_operator.api.serving_policy import BrokenPolicy
from nereid_operator.api.validation import validate
from nereid_operator.plan.policy import Judgement, allows_global_names, governing, judge

HUB = "hf://org/name"
GPUS = {"runtime": {"accelerator": {"count": 2}}}
TPUS = {"limits": {"google.com/tpu": 2}}


def _md(uri: str = HUB, *, source: Any = None, replicas: int = 1, **spec: Any) -> ModelDeployment:
    model = {"uri": uri, **({"source": source} if source else {})}
    metadata = {"name": "m", "namespace": "default", "uid": "u"}
    md = validate({"metadata": metadata, "spec": {"model": model, "replicas": replicas, **spec}})
    assert isinstance(md, ModelDeployment), md
    return md


def _judge(md: ModelDeployment, *specs: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> Judgement:
    """Judge by policies named a, b, … in this order."""
    policies = [
        read_policy({"metadata": {"name": name}, "spec": spec}) for name, spec in zip("abcdef", specs, strict=False)
    ]
    return judge(md, governing(policies, labels or {}))


def _resources(**resources: Any) -> dict[str, Any]:
    return {"runtime": {"resources": resources}}


def _env(name: str, value: str) -> dict[str, Any]:
    return {"env": [{"name": name, "value": value}]}


ALLOWED: dict[str, tuple[ModelDeployment, tuple[dict[str, Any], ...]]] = {
    "no policy": (_md(replicas=1000), ()),
    "an empty policy": (_md(replicas=1000), ({},)),
    "exactly as many replicas": (_md(replicas=3), ({"maxReplicas": 3},)),
    "no replicas where none are allowed": (_md(replicas=0), ({"maxReplicas": 0},)),
    "a policy of other namespaces": (
        _md(replicas=5),
        ({"namespaceSelector": {"matchLabels": {"tier": "x"}}, "maxReplicas": 0},),
    ),
    "exactly as many accelerators": (_md(replicas=2, **GPUS), ({"maxAccelerators": 4},)),
    "no accelerators where none are allowed": (
        _md(replicas=9, **_resources(limits={"memory": "1Gi"})),
        ({"maxAccelerators": 0},),
    ),
    "accelerators of a model at zero": (_md(replicas=0, **GPUS), ({"maxAccelerators": 0},)),
    "a variable that hides every device": (_md(pod=_env("NVIDIA_VISIBLE_DEVICES", "void")), ({"maxAccelerators": 0},)),
    "a request and a limit for the same device count once": (
        _md(**_resources(requests=TPUS["limits"], **TPUS)),
        ({"maxAccelerators": 2},),
    ),
    "the public hub by its name": (_md(), ({"allowedHosts": ["huggingface.co"]},)),
    "a mirror instead of the hub": (
        _md(source={"endpoint": "http://mirror.example.com:8080/hub"}),
        ({"allowedHosts": ["mirror.example.com"]},),
    ),
    "a host below a suffix": (_md("https://a.b.example.com/m"), ({"allowedHosts": ["*.example.com"]},)),
    "a host in capitals": (_md("https://Models.Example.COM/m"), ({"allowedHosts": ["models.example.com"]},)),
    "a host with a port": (_md("https://models.example.com:8443/m"), ({"allowedHosts": ["models.example.com"]},)),
    "an address": (_md("https://192.0.2.7/m"), ({"allowedHosts": ["192.0.2.7"]},)),
    "AWS in the bucket's region": (
        _md("s3://bucket/m", source={"region": "eu-west-1"}),
        ({"allowedHosts": ["s3.eu-west-1.amazonaws.com"]},),
    ),
    "AWS in China": (
        _md("s3://bucket/m", source={"region": "cn-north-1"}),
        ({"allowedHosts": ["s3.cn-north-1.amazonaws.com.cn"]},),
    ),
    "AWS without a region": (_md("s3://bucket/m"), ({"allowedHosts": ["*.amazonaws.com"]},)),
    "a registry": (_md("oci://registry.example.com:5000/m"), ({"allowedHosts": ["registry.example.com"]},)),
    "a mirror of a registry": (
        _md("oci://registry.example.com/m", source={"endpoint": "https://mirror.example.com"}),
        ({"allowedHosts": ["mirror.example.com"]},),
    ),
    "a claim, which contacts nobody": (_md("pvc://models/m"), ({"allowedHosts": ["models.example.com"]},)),
    "a variable that leads nowhere": (
        _md(pod=_env("TZ", "http://elsewhere.example.com")),
        ({"allowedHosts": ["huggingface.co"]},),
    ),
    "a proxy that is allowed": (
        _md(pod=_env("https_proxy", "proxy.example.com:3128")),
        ({"allowedHosts": ["huggingface.co", "proxy.example.com"]},),
    ),
    "hosts that two policies both allow": (
        _md(),
        ({"allowedHosts": ["huggingface.co", "a"]}, {"allowedHosts": ["*.co", "huggingface.co"]}),
    ),
}

FORBIDDEN: dict[str, tuple[ModelDeployment, tuple[dict[str, Any], ...], str, tuple[str, ...]]] = {
    "too many replicas": (
        _md(replicas=4),
        ({"maxReplicas": 3},),
        "spec.replicas",
        ("is 4", "ServingPolicy a allows at most 3", "maxReplicas"),
    ),
    "the stricter of two numbers counts": (
        _md(replicas=4),
        ({"maxReplicas": 9}, {"maxReplicas": 2}),
        "spec.replicas",
        ("ServingPolicy b allows at most 2",),
    ),
    "accelerators are counted over all replicas": (
        _md(replicas=3, **GPUS),
        ({"maxAccelerators": 5},),
        "spec.runtime",
        ("2 accelerators in each of 3 replicas", "at most 5", "maxAccelerators"),
    ),
    "accelerators of two kinds are counted together": (
        _md(**_resources(limits={"google.com/tpu": 1, "habana.ai/gaudi": 1})),
        ({"maxAccelerators": 1},),
        "spec.runtime",
        ("2 accelerators",),
    ),
    "a GPU by its device alone": (
        _md(runtime={"device": "GPU"}),
        ({"maxAccelerators": 0},),
        "spec.runtime",
        ("1 accelerators in each of 1 replicas", "at most 0"),
    ),
    "devices taken by a variable, past the scheduler": (
        _md(pod=_env("NVIDIA_VISIBLE_DEVICES", "all")),
        ({"maxAccelerators": 8},),
        "spec.pod.env.0.name",
        ("NVIDIA_VISIBLE_DEVICES", "that nobody counts", "maxAccelerators"),
    ),
    "a host that is not on the list": (
        _md("https://elsewhere.example.com/m"),
        ({"allowedHosts": ["huggingface.co", "*.models.example.com"]},),
        "spec.model.uri",
        ("host elsewhere.example.com", "allows huggingface.co, *.models.example.com", "allowedHosts"),
    ),
    "an empty list allows nothing": (_md(), ({"allowedHosts": []},), "spec.model.uri", ("allows no host",)),
    "a suffix is not the domain itself": (
        _md("https://example.com/m"),
        ({"allowedHosts": ["*.example.com"]},),
        "spec.model.uri",
        ("host example.com",),
    ),
    "a suffix ends at a dot": (
        _md("https://badexample.com/m"),
        ({"allowedHosts": ["*.example.com"]},),
        "spec.model.uri",
        ("badexample.com",),
    ),
    "an allowed host as the beginning of another": (
        _md("https://huggingface.co.evil.example/m"),
        ({"allowedHosts": ["huggingface.co"]},),
        "spec.model.uri",
        ("huggingface.co.evil.example",),
    ),
    "a backslash that parsers read differently": (
        _md("https://evil.example\\.models.example.com/m"),
        ({"allowedHosts": ["*.models.example.com"]},),
        "spec.model.uri",
        ("cannot be told",),
    ),
    "an escaped dot": (
        _md("https://evil%2eexample/m"),
        ({"allowedHosts": ["evil.example"]},),
        "spec.model.uri",
        ("cannot be told",),
    ),
    "an IPv6 address": (_md("https://[::1]/m"), ({"allowedHosts": ["*.example.com"]},), "spec.model.uri", ("told",)),
    "an endpoint instead of an allowed hub": (
        _md(source={"endpoint": "http://mirror:8080"}),
        ({"allowedHosts": ["huggingface.co"]},),
        "spec.model.source.endpoint",
        ("host mirror",),
    ),
    "AWS in another region": (
        _md("s3://bucket/m", source={"region": "us-west-2"}),
        ({"allowedHosts": ["s3.eu-west-1.amazonaws.com"]},),
        "spec.model.uri",
        ("s3.us-west-2.amazonaws.com",),
    ),
    "a variable that moves the hub": (
        _md(pod=_env("HF_ENDPOINT", "https://elsewhere.example.com")),
        ({"allowedHosts": ["huggingface.co"]},),
        "spec.pod.env.0.value",
        ("elsewhere.example.com",),
    ),
    "a proxy without a scheme": (
        _md(pod=_env("HTTPS_PROXY", "proxy.example.com:3128")),
        ({"allowedHosts": ["huggingface.co"]},),
        "spec.pod.env.0.value",
        ("proxy.example.com",),
    ),
    "lists without a common host": (
        _md(),
        ({"allowedHosts": ["huggingface.co"]}, {"allowedHosts": ["mirror.example.com"]}),
        "spec.model.uri",
        ("ServingPolicy b allows mirror.example.com",),
    ),
    "a long list is not told in full": (
        _md(),
        ({"allowedHosts": [f"h{number}" for number in range(9)]},),
        "spec.model.uri",
        ("h0, h1, h2, h3, h4 and 4 more",),
    ),
}


@pytest.mark.parametrize(("md", "specs"), ALLOWED.values(), ids=ALLOWED)
def test_allowed(md: ModelDeployment, specs: tuple[dict[str, Any], ...]):
    assert _judge(md, *specs).violations == ()


@pytest.mark.parametrize(("md", "specs", "field", "words"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_forbidden(md: ModelDeployment, specs: tuple[dict[str, Any], ...], field: str, words: tuple[str, ...]):
    (violation,) = _judge(md, *specs).violations
    assert (violation.field, violation.reason) == (field, Reason.POLICY_VIOLATION)
    for word in words:
        assert word in str(violation)


def test_everything_that_is_forbidden_is_told_at_once():
    md = _md(replicas=9, **GPUS)
    found = _judge(md, {"maxReplicas": 1, "maxAccelerators": 1}, {"allowedHosts": []}).violations
    assert [violation.field for violation in found] == ["spec.replicas", "spec.runtime", "spec.model.uri"]


SELECTED: dict[str, tuple[dict[str, Any], dict[str, str], bool]] = {
    "an empty selector selects all": ({}, {"a": "b"}, True),
    "a label that is there": ({"matchLabels": {"a": "b"}}, {"a": "b", "c": "d"}, True),
    "a label of another value": ({"matchLabels": {"a": "b"}}, {"a": "c"}, False),
    "In": ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "b"]}]}, {"a": "b"}, True),
    "In without the label": ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, {}, False),
    "NotIn without the label": ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {}, True),
    "NotIn": ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {"a": "b"}, False),
    "Exists": ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
    "DoesNotExist": ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    "all expressions must hold": (
        {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]},
        {"a": "b"},
        False,
    ),
}


@pytest.mark.parametrize(("selector", "labels", "selected"), SELECTED.values(), ids=SELECTED)
def test_a_selector_selects_as_kubernetes_does(selector: dict[str, Any], labels: dict[str, str], selected: bool):
    judgement = _judge(_md(), {"namespaceSelector": selector, "maxReplicas": 0}, labels=labels)
    assert bool(judgement.violations) is selected


def test_a_policy_that_cannot_be_read_stops_everything_in_its_namespaces():
    broken = {"namespaceSelector": {"matchLabels": {"tier": "x"}}, "maxReplicas": "many", "allowedHosts": ["HTTP://x"]}
    assert _judge(_md(), broken).violations == ()
    (violation,) = _judge(_md(), broken, {"maxReplicas": 0}, labels={"tier": "x"}).violations
    assert (violation.field, violation.reason) == ("ServingPolicy a", Reason.POLICY_INVALID)
    assert "spec.maxReplicas: is 'many'" in str(violation)
    assert "spec.allowedHosts.0: is 'HTTP://x'" in str(violation)


BROKEN_SELECTORS: dict[str, Any] = {
    "an operator that is none": {"matchExpressions": [{"key": "a", "operator": "Is"}]},
    "a key that is none": {"matchExpressions": [{"key": "a b", "operator": "Exists"}]},
    "In without values": {"matchExpressions": [{"key": "a", "operator": "In"}]},
    "Exists with values": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
    "a text": "tier=x",
}


@pytest.mark.parametrize("selector", BROKEN_SELECTORS.values(), ids=BROKEN_SELECTORS)
def test_a_policy_whose_selector_cannot_be_read_is_for_every_namespace(selector: Any):
    policy = read_policy({"metadata": {"name": "a"}, "spec": {"namespaceSelector": selector}})
    assert isinstance(policy, BrokenPolicy)
    assert policy.selects({"any": "thing"})


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a host with a scheme": ({"allowedHosts": ["https://a"]}, "spec.allowedHosts.0: is 'https://a': must be a host"),
    "a star in the middle": ({"allowedHosts": ["a.*.b"]}, "must be a host"),
    "a host in capitals": ({"allowedHosts": ["A.example"]}, "must be a host in small letters"),
    "replicas below zero": ({"maxReplicas": -1}, "spec.maxReplicas: is -1"),
    "a default quantity that is none": (
        {"defaults": {"runtime": {"resources": {"limits": {"memory": "lots"}}}}},
        "spec.defaults.runtime.resources.limits.memory",
    ),
    "a default device": (
        {"defaults": {"runtime": {"resources": {"limits": {"nvidia.com/gpu": 1}}}}},
        "spec.defaults.runtime.resources.nvidia.com/gpu: must not name devices",
    ),
    "a range that is none": ({"allowedCIDRs": ["10.0.0.0"]}, "spec.allowedCIDRs.0: is '10.0.0.0': must be written as"),
    "a range with an address in its middle": ({"allowedCIDRs": ["10.0.0.1/8"]}, "must be written as 10.0.0.0/8"),
    "a range in words": ({"allowedCIDRs": ["intranet"]}, "must be a range of addresses"),
    "a default request above its limit": (
        {"defaults": {"runtime": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}}},
        "spec.defaults.runtime.resources.requests.cpu: is 2 and must be at most the limit, 1",
    ),
    "a default toleration of no taint": (
        {"defaults": {"pod": {"tolerations": [{"value": "a"}]}}},
        "spec.defaults.pod.tolerations.0.key",
    ),
    "a default node label with a space": ({"defaults": {"pod": {"nodeSelector": {"a b": "c"}}}}, "'a b'"),
    "no spec": ({}, "spec: "),
}


@pytest.mark.parametrize(("spec", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_policy_is_told(spec: dict[str, Any], words: str):
    policy = read_policy({"metadata": {"name": "a"}, **({"spec": spec} if spec else {})})
    assert isinstance(policy, BrokenPolicy)
    assert words in "; ".join(policy.errors)


GLOBAL_NAMES: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "no policy": ([], False),
    "one that says nothing": ([{}], False),
    "one that says yes": ([{"globalNames": True}, {}], True),
    "one that says no": ([{"globalNames": True}, {"globalNames": False}], False),
    "one that cannot be read": ([{"globalNames": True}, {"maxReplicas": -1}], False),
}


@pytest.mark.parametrize(("specs", "allowed"), GLOBAL_NAMES.values(), ids=GLOBAL_NAMES)
def test_who_may_be_called_by_the_served_name_alone(specs: list[dict[str, Any]], allowed: bool):
    policies = [read_policy({"metadata": {"name": "p"}, "spec": spec}) for spec in specs]
    assert allows_global_names(policies) is allowed
