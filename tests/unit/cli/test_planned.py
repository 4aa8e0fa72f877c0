"""A manifest and what is known → the whole text of `nereid plan`, on file in testdata/plan."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.validation import validate
from nereid_operator.cli.errors import UsageError
from nereid_operator.cli.evidence import Evidence, NodeReading
from nereid_operator.cli.manifests import model_deployments, placed, unknown_fields
from nereid_operator.cli.planned import Assumption, Situation, refusal, report
from nereid_operator.plan.ir import Egress, Image, Network, Platform
from nereid_operator.plan.names import refresh_hash
from nereid_operator.plan.planner import make_plan
from tests.unit.cli.objects import deployment, job, model, node, pod_on, resolved, taint

PLATFORM = Platform(Image("nereid.dev/model-runtime:0.1.0", "IfNotPresent"), network=Network("nereid-system", ()))
EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[3] / "crds" / "examples").glob("*.yaml")
    if "kind: ModelDeployment" in path.read_text()
)
NODES = NodeReading(
    (
        node("node-a", cpu="2", memory="4Gi"),
        node("node-b", taints=[taint("nvidia.com/gpu", "present")]),
        node("node-c", memory="1Gi"),
    ),
    (pod_on("node-a", cpu="500m", memory="1Gi"),),
)
LARGE = {"runtime": {"resources": {"requests": {"cpu": "2", "memory": "8Gi"}, "limits": {"memory": "8Gi"}}}}


def _md(*, refresh: str = "", **spec: Any) -> ModelDeployment:
    body = model(spec=spec, replicas=spec.pop("replicas", 1))
    body["metadata"]["annotations"] = {"nereid.dev/refresh": refresh}
    md = validate(body)
    assert isinstance(md, ModelDeployment)
    return md


def _situation(**known: Any) -> Situation:
    return Situation(**{"platform": PLATFORM, "live": None, "reading": NODES, "assumption": None, **known})


def _revision_of(md: ModelDeployment) -> str:
    facts = ResolvedModel.model_validate(resolved())
    return make_plan(md, facts, PLATFORM, deployments=(), selected_revision="").revision.hash


def _serving(revision: str, **facts: Any) -> Evidence:
    service = {"metadata": {"name": "minilm"}, "spec": {"selector": {"nereid.dev/revision": revision}}}
    body = model(model=resolved(**facts))
    return Evidence(body, deployments=(deployment(revision=revision, ready=1),), services=(service,))


CASES = {
    "a new model whose size nobody knows": (_md(), _situation()),
    "a new model of a size given on the command line": (
        _md(replicas=2), _situation(assumption=Assumption(500 * 1024**2, "BF16"))),
    "a model too large for every node": (_md(), _situation(assumption=Assumption(20 * 1024**3, "BF16"))),
    "a model of unknown size whose spec says what it needs": (_md(**LARGE), _situation()),
    "a model that was resolved before": (_md(replicas=2), _situation(live=_serving("99999999"))),
    "a manifest that changes nothing": (_md(), _situation(live=_serving(_revision_of(_md())))),
    "a manifest whose annotation asks again what the model is": (
        _md(refresh="tuesday"), _situation(live=_serving(_revision_of(_md()), refreshHash=refresh_hash("monday")))),
    "a model whose engine the platform has no image of": (
        _md(runtime={"engine": "VLLM", "device": "GPU"}), _situation(assumption=Assumption(10**9, "BF16"))),
    "a manifest that names another model": (
        _md(model={"uri": "hf://org/other"}), _situation(live=Evidence(model(), jobs=(job(),)))),
    "a model whose rules for the network the platform gave up": (
        _md(), _situation(
            platform=replace(PLATFORM, network=None),
            live=_serving(_revision_of(_md())),
            present=frozenset({("ServiceAccount", "minilm-model"), ("NetworkPolicy", "minilm")}))),
    "a model whose sources are narrowed by policies": (
        _md(), _situation(
            platform=replace(PLATFORM, egress=Egress((), ("10.0.0.0/8",), ())),
            live=_serving(_revision_of(_md())),
            present=frozenset({("ServiceAccount", "minilm-model"), ("NetworkPolicy", "minilm")}))),
    "a model of which not everything may be read": (
        _md(), _situation(live=_serving(_revision_of(_md())), present=None)),
    "no cluster, and a field nobody knows": (
        _md(), _situation(reading=None, unknown_fields=("spec.replica",), notes=("no cluster was asked: refused",))),
}  # fmt: skip


@pytest.mark.parametrize(("name", "case"), CASES.items(), ids=CASES.keys())
def test_plan(name: str, case: tuple[ModelDeployment, Situation], golden: Callable[[str, str], None]):
    golden(f"plan/{name}", report(*case))


def test_an_annotation_that_was_answered_asks_nothing():
    serving = _serving(_revision_of(_md()), refreshHash=refresh_hash("monday"))
    assert "Job" not in report(_md(refresh="monday"), _situation(live=serving))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_can_be_planned_and_has_only_known_fields(example: Path):
    (body,) = model_deployments(example.read_text(), example.name)
    md = validate(placed(body, "default", asked=None))
    assert isinstance(md, ModelDeployment), md
    assert unknown_fields(body) == ()
    text = report(md, _situation(assumption=Assumption(10**8, "F32")))
    assert f"ModelDeployment default/{md.metadata.name} is valid. Nothing is applied." in text


def test_violations_are_said_by_field(golden: Callable[[str, str], None]):
    violations = validate(
        placed({"metadata": {"name": "x"}, "spec": {"model": {"uri": "ftp://a"}, "replicas": -1}}, "d", asked=None)
    )
    assert not isinstance(violations, ModelDeployment)
    golden("plan/violations", refusal("x", violations))


def test_fields_that_are_not_known_are_named():
    spec = {"model": {"uri": "hf://a/b", "rev": "x"}, "replica": 2, "runtime": {"resources": {"limits": {"cpu": 1}}}}
    assert unknown_fields({"spec": spec}) == ("spec.model.rev", "spec.replica")


BODY = {"apiVersion": "nereid.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "a"}, "spec": {}}


def test_every_model_of_a_file_is_found():
    other = {"apiVersion": "v1", "kind": "Secret"}
    text = yaml.safe_dump_all([BODY, other, None, {"apiVersion": "v1", "kind": "List", "items": [other, BODY]}])
    assert len(model_deployments(text, "f")) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "f is not YAML"), ("kind: Pod", "holds no ModelDeployment"), ("", "holds no"), ("- a", "holds no")],
)
def test_a_file_without_models(text: str, words: str):
    with pytest.raises(UsageError, match=words):
        model_deployments(text, "f")


def test_the_namespace_of_the_file_and_of_the_command_line_must_agree():
    body = {"metadata": {"name": "a", "namespace": "one"}}
    assert placed(body, "context", asked="one")["metadata"]["namespace"] == "one"
    assert placed({"metadata": {"name": "a"}}, "context", asked=None)["metadata"]["namespace"] == "context"
    with pytest.raises(UsageError, match="namespace 'one', the command line 'two'"):
        placed(body, "context", asked="two")
