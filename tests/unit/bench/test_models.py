"""The benchmark's ModelDeployments are what it takes them for."""

import pytest

from bench.control.models import answer, children, edit, model_deployment, name
from bench.errors import BenchError
from nereid_operator.api.validation import validate
from nereid_operator.plan.ir import Image, Platform
from nereid_operator.plan.names import input_hash

PLATFORM = Platform(Image("nereid.dev/model-runtime:test", "IfNotPresent"))


def _resolved(index):
    body = model_deployment("models", index)
    return {**body, "metadata": {**body["metadata"], "uid": f"uid-{index}"}, "status": answer(body)}


def test_the_answer_is_the_one_to_its_own_question():
    md = validate(_resolved(7))
    assert answer(model_deployment("models", 7))["model"]["inputHash"] == input_hash(md.spec.model)
    assert answer(model_deployment("models", 7)) != answer(model_deployment("models", 8))


def test_every_child_belongs_to_its_model_and_is_named_after_it():
    objects = children(_resolved(7), PLATFORM)
    assert {"deployments", "services"} <= {resource.plural for resource, _ in objects}
    for _, manifest in objects:
        assert manifest["metadata"]["name"].partition("-")[0] == name(7)
        assert manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-7"


def test_an_edit_makes_another_revision():
    before = _resolved(7)
    after = {**before, "spec": {**before["spec"], **edit(7, batch_size=16)["spec"]}}
    (old,), (new,) = (
        [m["metadata"]["name"] for r, m in children(body, PLATFORM) if r.plural == "deployments"]
        for body in (before, after)
    )
    assert old != new


def test_without_an_answer_there_are_no_children():
    with pytest.raises(BenchError, match="m00007 has no answer"):
        children({**_resolved(7), "status": {}}, PLATFORM)
