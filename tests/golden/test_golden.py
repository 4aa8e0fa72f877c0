"""Each example of crds/examples → its plan (the IR) → its objects, compared with testdata/."""

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.policy_validation import read_policy
from nereid_operator.api.validation import validate
from nereid_operator.plan.ir import CaBundle, Image, Network, Plan, Platform, Proxy, ResolveJob
from nereid_operator.plan.limits import limits
from nereid_operator.plan.planner import make_plan, resolve_job
from nereid_operator.render.children import children
from nereid_operator.render.job import job
from nereid_operator.render.metadata import Manifest
from nereid_operator.render.workload import with_replicas

FOLDER = Path(__file__).parent
EXAMPLE_FOLDER = FOLDER.parents[1] / "crds" / "examples"
EXAMPLES = sorted(
    path for path in EXAMPLE_FOLDER.glob("*.yaml") if yaml.safe_load(path.read_text())["kind"] == "ModelDeployment"
)
RESOLVED = yaml.safe_load((FOLDER / "resolved.yaml").read_text())
PLATFORM = Platform(
    Image("nereid.dev/model-runtime:0.1.0", "IfNotPresent"),
    network=Network("nereid-system", clients=({"podSelector": {}},)),
    vllm_image="registry.example.com/tritonserver:25.10-vllm-python-py3",
)
# Images from a mirror that wants a key, sources through a proxy that breaks TLS open.
CLOSED = Platform(
    Image("registry.example.com/nereid/model-runtime:0.1.0", "IfNotPresent"),
    proxy=Proxy("http://proxy.example.com:3128", "http://proxy.example.com:3128", ".svc,.cluster.local"),
    ca_bundle=CaBundle("proxy-roots", "ca.crt"),
    image_pull_secrets=("registry",),
)
POLICIES = [
    {"metadata": {"name": "mirror"}, "spec": {"allowedHosts": ["hub.example.com"], "allowedCIDRs": ["10.20.0.0/16"]}},
    {"metadata": {"name": "ours"}, "spec": {"allowedHosts": ["*.example.com"], "allowedCIDRs": ["10.0.0.0/8"]}},
]


class _Plain(yaml.SafeDumper):
    """Writes repeated values out instead of anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _texts(example: Path, platform: Platform) -> dict[str, str]:
    asked, plan = planned(example, platform)
    return {
        "plan": _dump([{"resolveJob": asdict(asked), "plan": asdict(plan)}]),
        "objects": _dump([*rendered(asked, plan)]),
    }


def planned(example: Path, platform: Platform) -> tuple[ResolveJob, Plan]:
    """Return what is to be for the manifest of a file."""
    body = yaml.safe_load(example.read_text())
    body["metadata"] |= {"namespace": "default", "uid": "00000000-0000-0000-0000-000000000000"}
    md = validate(body)
    assert isinstance(md, ModelDeployment), md
    resolved = ResolvedModel.model_validate(RESOLVED[example.stem])
    plan = make_plan(md, resolved, platform, deployments=(), selected_revision="")
    return resolve_job(md, platform), plan


def rendered(asked: ResolveJob, plan: Plan) -> list[Manifest]:
    """Return every object as it is first created."""
    manifests = [
        child.manifest if child.replicas is None else with_replicas(child.manifest, child.replicas)
        for child in children(plan)
        if child.manifest is not None
    ]
    return [job(asked), *manifests]


def _dump(documents: list[object]) -> str:
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=120)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_gives_the_plan_and_the_objects_on_file(example: Path, update_golden: bool):
    _compare(example.stem, _texts(example, PLATFORM), update=update_golden)


@pytest.mark.parametrize("name", ["minimal", "pod", "private"])
def test_what_the_platform_says_is_in_plan_and_objects(name: str, update_golden: bool):
    platform = limits(()).narrowed(CLOSED)
    _compare(f"{name}-on-a-closed-platform", _texts(EXAMPLE_FOLDER / f"{name}.yaml", platform), update=update_golden)


def test_what_policies_say_of_sources_is_in_plan_and_objects(update_golden: bool):
    platform = limits(map(read_policy, POLICIES)).narrowed(PLATFORM)
    _compare("private-under-policies", _texts(EXAMPLE_FOLDER / "private.yaml", platform), update=update_golden)


def _compare(name: str, texts: dict[str, str], *, update: bool) -> None:
    for kind, text in texts.items():
        golden = FOLDER / "testdata" / f"{name}.{kind}.yaml"
        if update:
            golden.write_text(text)
        assert golden.read_text() == text, f"{golden.name} differs: review, then pytest tests/golden --update-golden"
