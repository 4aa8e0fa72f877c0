"""What spec.model.file, one GGUF file of several, changes in plan and pods."""

import pytest

from nereid_operator.api.model_deployment import ModelDeployment, parse
from nereid_operator.plan.ir import Image, Platform
from nereid_operator.plan.names import input_hash, revision_hash
from nereid_operator.plan.planner import make_plan, make_workload, resolve_job
from nereid_operator.render.job import job
from nereid_operator.render.workload import deployment
from tests.unit.operator.resolved import RESOLVED

# As it was before a file could be named: an operator that is upgraded must find its Deployment and its answer again.
NAME_WITHOUT, INPUT_WITHOUT = "212fb1f4", "0911ade0"
PLATFORM = Platform(Image("nereid.dev/model-runtime:test", "IfNotPresent"))


def _md(file: str | None = None) -> ModelDeployment:
    model = {"uri": "hf://org/minilm", **({"file": file} if file else {})}
    return parse({"metadata": {"name": "m", "namespace": "n", "uid": "u"}, "spec": {"model": model}})


def test_both_the_question_and_the_pods_are_others_for_each_file():
    files = (None, "q4.gguf", "q8.gguf")
    assert len({input_hash(_md(file).spec.model) for file in files}) == 3
    assert len({revision_hash(make_workload(_md(file), RESOLVED, PLATFORM)) for file in files}) == 3


def test_a_model_without_one_keeps_its_names():
    assert revision_hash(make_workload(_md(), RESOLVED, PLATFORM)) == NAME_WITHOUT
    assert input_hash(_md().spec.model) == INPUT_WITHOUT


def test_resolve_and_prepare_are_told():
    md = _md("q4.gguf")
    (resolve,) = job(resolve_job(md, PLATFORM))["spec"]["template"]["spec"]["containers"]
    pod = deployment(make_plan(md, RESOLVED, PLATFORM, deployments=(), selected_revision="").revision)
    prepare = next(one for one in pod["spec"]["template"]["spec"]["initContainers"] if one["name"] == "prepare")
    assert "--file=q4.gguf" in resolve["args"]
    assert "--file=q4.gguf" in prepare["args"]


@pytest.mark.parametrize("file", ["../q4.gguf", "sub/q4.gguf", "model.safetensors", ".gguf", "--file.gguf"])
def test_what_is_no_gguf_file_of_the_folder_is_refused(file: str):
    with pytest.raises(ValueError, match=r"model\.file"):
        _md(file)
