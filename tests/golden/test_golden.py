"""Each example of crds/examples → its plan (the IR) → its objects, compared with testdata/."""

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.model_status import ResolvedModel
from nereid_operator.api.validation import validate
from nereid_operator.plan.ir import Image
from nereid_operator.plan.planner import make_plan, resolve_job
from nereid_operator.render.budget import disruption_budget
from nereid_operator.render.job import job
from nereid_operator.render.workload import deployment, service, with_replicas

FOLDER = Path(__file__).parent
EXAMPLES = sorted((FOLDER.parents[1] / "crds" / "examples").glob("*.yaml"))
RESOLVED = yaml.safe_load((FOLDER / "resolved.yaml").read_text())
IMAGE = Image("nereid.dev/model-runtime:0.1.0", "IfNotPresent")


class _Plain(yaml.SafeDumper):
    """Writes repeated values out instead of anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _texts(example: Path) -> dict[str, str]:
    body = yaml.safe_load(example.read_text())
    body["metadata"] |= {"namespace": "default", "uid": "00000000-0000-0000-0000-000000000000"}
    md = validate(body)
    assert isinstance(md, ModelDeployment), md
    asked = resolve_job(md, IMAGE)
    resolved = ResolvedModel.model_validate(RESOLVED[example.stem])
    plan = make_plan(md, resolved, IMAGE, deployments=(), selected_revision="")
    objects = [
        job(asked),
        with_replicas(deployment(plan.revision), plan.replicas),
        service(plan.owner, plan.rollout.stable),
    ]
    if plan.max_unavailable is not None:
        objects.append(disruption_budget(plan.owner, plan.rollout.stable, max_unavailable=plan.max_unavailable))
    return {
        "plan": _dump([{"resolveJob": asdict(asked), "plan": asdict(plan)}]),
        "objects": _dump(objects),
    }


def _dump(documents: list[object]) -> str:
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=120)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_gives_the_plan_and_the_objects_on_file(example: Path, update_golden: bool):
    for kind, text in _texts(example).items():
        golden = FOLDER / "testdata" / f"{example.stem}.{kind}.yaml"
        if update_golden:
            golden.write_text(text)
        assert golden.read_text() == text, f"{golden.name} differs: review, then pytest tests/golden --update-golden"
