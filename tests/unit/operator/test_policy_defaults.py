"""What a policy fills in: the spec wins, nodeSelector label by label, the first policy by name before the next."""

from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.policy_validation import read_policy
from nereid_operator.api.validation import validate
from nereid_operator.plan.ir import Image, Platform
from nereid_operator.plan.names import revision_hash
from nereid_operator.plan.planner import make_workload
from nereid_operator.plan.policy import governing, judge

POD: dict[str, Any] = {
    "nodeSelector": {"pool": "models"},
    "tolerations": [{"key": "pool", "operator": "Exists"}],
    "priorityClassName": "serving",
    "runtimeClassName": "gvisor",
    "imagePullSecrets": [{"name": "registry"}],
}
RESOURCES = {"requests": {"memory": "2Gi"}}


def _effective(spec: dict[str, Any], *defaults: dict[str, Any]) -> ModelDeployment:
    policies = [
        read_policy({"metadata": {"name": name}, "spec": {"defaults": given}})
        for name, given in zip("ab", defaults, strict=False)
    ]
    judgement = judge(_md(spec), governing(reversed(policies), {}))
    assert judgement.violations == ()
    return judgement.md


def _md(spec: dict[str, Any]) -> ModelDeployment:
    metadata = {"name": "m", "namespace": "default", "uid": "u"}
    md = validate({"metadata": metadata, "spec": {"model": {"uri": "hf://org/name"}, **spec}})
    assert isinstance(md, ModelDeployment), md
    return md


CASES: dict[str, tuple[dict[str, Any], tuple[dict[str, Any], ...], dict[str, Any]]] = {
    "everything where the spec says nothing": ({}, ({"pod": POD},), POD),
    "a label beside those of the spec": (
        {"nodeSelector": {"zone": "a"}},
        ({"pod": POD},),
        {**POD, "nodeSelector": {"pool": "models", "zone": "a"}},
    ),
    "the spec's value of a label wins": (
        {"nodeSelector": {"pool": "mine"}},
        ({"pod": POD},),
        {**POD, "nodeSelector": {"pool": "mine"}},
    ),
    "tolerations of the spec stand alone": (
        {"tolerations": [{"key": "mine", "operator": "Exists"}]},
        ({"pod": POD},),
        {**POD, "tolerations": [{"key": "mine", "operator": "Exists"}]},
    ),
    "names of the spec win": (
        {"priorityClassName": "batch", "runtimeClassName": "kata", "imagePullSecrets": [{"name": "mine"}]},
        ({"pod": POD},),
        {**POD, "priorityClassName": "batch", "runtimeClassName": "kata", "imagePullSecrets": [{"name": "mine"}]},
    ),
    "the first policy by name wins": (
        {},
        ({"pod": {"priorityClassName": "first"}}, {"pod": {"priorityClassName": "second"}}),
        {"priorityClassName": "first"},
    ),
    "the second fills what the first leaves out": (
        {},
        ({"pod": {"nodeSelector": {"a": "1", "b": "1"}}}, {"pod": {"nodeSelector": {"b": "2", "c": "2"}}}),
        {"nodeSelector": {"a": "1", "b": "1", "c": "2"}},
    ),
}


@pytest.mark.parametrize(("pod", "defaults", "wanted"), CASES.values(), ids=CASES)
def test_what_the_pods_get(pod: dict[str, Any], defaults: tuple[dict[str, Any], ...], wanted: dict[str, Any]):
    assert _effective({"pod": pod}, *defaults).spec.pod == _md({"pod": wanted}).spec.pod


def test_resources_are_taken_as_a_whole_or_not_at_all():
    default = {"runtime": {"resources": RESOURCES}}
    assert _effective({}, default).spec.runtime == _md({"runtime": {"resources": RESOURCES}}).spec.runtime
    own = {"resources": {"limits": {"memory": "1Gi"}}}
    assert _effective({"runtime": own}, default).spec.runtime == _md({"runtime": own}).spec.runtime


def test_a_policy_without_defaults_keeps_the_revision():
    def revision(md: ModelDeployment) -> str:
        facts = {"inputHash": "x", "revision": "r", "digest": f"sha256:{'0' * 64}", "bytes": 1, "task": "Embedding"}
        return revision_hash(
            make_workload(md, ResolvedModel.model_validate(facts), Platform(Image("image", "IfNotPresent")))
        )

    for spec in ({}, {"pod": POD}, {"pod": {}}):
        assert revision(_effective(spec, {})) == revision(_md(spec))
