"""What spec.pod changes in plan and objects, and what it leaves as it was."""

from typing import Any

import pytest

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.quantities import GIBIBYTE
from nereid_operator.api.validation import validate
from nereid_operator.observe import DeploymentFacts
from nereid_operator.plan.capacity import storage
from nereid_operator.plan.ir import Image, Plan, Platform
from nereid_operator.plan.planner import make_plan, resolve_job
from nereid_operator.render.job import job
from nereid_operator.render.workload import deployment
from tests.unit.operator.resolved import RESOLVED

PLATFORM = Platform(Image("model-runtime:1", "IfNotPresent"))
# The name before there was a spec.pod: an operator that is upgraded must find its Deployment again.
HASH_WITHOUT_POD = "12584bca"
JOB_WITHOUT_POD = "m-resolve-1b7ba849"
# And the one of the pod that says everything but an affinity, before there were any.
HASH_WITHOUT_AFFINITY = "8eb28b33"


def _md(pod: dict[str, Any] | None = None, replicas: int = 1) -> ModelDeployment:
    spec: dict[str, Any] = {"model": {"uri": "hf://org/name"}, "replicas": replicas}
    if pod is not None:
        spec["pod"] = pod
    md = validate({"metadata": {"name": "m", "namespace": "default", "uid": "u"}, "spec": spec})
    assert isinstance(md, ModelDeployment), md
    return md


def _plan(md: ModelDeployment, deployments: tuple[DeploymentFacts, ...] = (), selected: str = "") -> Plan:
    return make_plan(md, RESOLVED, PLATFORM, deployments=deployments, selected_revision=selected)


SAYS_NOTHING: dict[str, Any] = {
    "none": None,
    "empty": {},
    "empty fields": {"labels": {}, "tolerations": []},
    "empty affinity": {"affinity": {"nodeAffinity": {}, "podAntiAffinity": {}}},
}


@pytest.mark.parametrize("pod", SAYS_NOTHING.values(), ids=SAYS_NOTHING.keys())
def test_a_pod_that_says_nothing_changes_no_name(pod: dict[str, Any] | None):
    assert _plan(_md(pod)).revision.hash == HASH_WITHOUT_POD
    assert resolve_job(_md(pod), PLATFORM).name == JOB_WITHOUT_POD


EVERY_FIELD: dict[str, Any] = {
    "labels": {"team": "search"},
    "annotations": {"note": "x"},
    "nodeSelector": {"pool": "models"},
    "tolerations": [{"operator": "Exists"}],
    "priorityClassName": "serving",
    "runtimeClassName": "gvisor",
    "imagePullSecrets": [{"name": "registry"}],
    "env": [{"name": "TZ"}],
}
TERM = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
NODES = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}}
NEIGHBOURS = {"topologyKey": "zone", "labelSelector": {}, "namespaceSelector": {}}
PODS = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": NEIGHBOURS}]}


def test_a_pod_without_affinity_keeps_its_name():
    assert _plan(_md(EVERY_FIELD)).revision.hash == HASH_WITHOUT_AFFINITY


@pytest.mark.parametrize("affinity", [{"nodeAffinity": NODES}, {"podAffinity": PODS}, {"podAntiAffinity": PODS}])
def test_an_affinity_is_given_to_replicas_as_it_is_written(affinity: dict[str, Any]):
    md = _md({"affinity": affinity})
    assert _plan(md).revision.hash != HASH_WITHOUT_POD
    assert _template(md)["spec"]["affinity"] == affinity


def test_a_resolve_job_goes_to_the_same_nodes_and_near_to_no_pods():
    both = resolve_job(_md({"affinity": {"nodeAffinity": NODES, "podAffinity": PODS}}), PLATFORM)
    assert job(both)["spec"]["template"]["spec"]["affinity"] == {"nodeAffinity": NODES}
    assert both.name != JOB_WITHOUT_POD
    assert resolve_job(_md({"affinity": {"podAntiAffinity": PODS}}), PLATFORM).name == JOB_WITHOUT_POD


@pytest.mark.parametrize(
    ("affinity", "spread"),
    [({"nodeAffinity": NODES}, True), ({"podAffinity": PODS}, False), ({"podAntiAffinity": PODS}, False)],
)
def test_a_wish_for_neighbours_takes_the_place_of_the_spread_over_nodes(affinity: dict[str, Any], spread: bool):
    assert ("topologySpreadConstraints" in _template(_md({"affinity": affinity}))["spec"]) is spread


ALSO_OF_THE_JOB = {"nodeSelector", "tolerations", "runtimeClassName", "imagePullSecrets"}


@pytest.mark.parametrize("field", EVERY_FIELD)
def test_every_field_makes_another_revision(field: str):
    assert _plan(_md({field: EVERY_FIELD[field]})).revision.hash != HASH_WITHOUT_POD


@pytest.mark.parametrize("field", EVERY_FIELD)
def test_what_places_a_pod_is_asked_of_another_job(field: str):
    asked = resolve_job(_md({field: EVERY_FIELD[field]}), PLATFORM)
    assert (asked.name != JOB_WITHOUT_POD) == (field in ALSO_OF_THE_JOB)
    assert (field in job(asked)["spec"]["template"]["spec"]) == (field in ALSO_OF_THE_JOB)


def test_variables_go_to_prepare_and_triton_without_empty_values():
    pod = _template(_md({"env": [{"name": "TZ", "value": "UTC"}, {"name": "EMPTY"}]}))["spec"]
    added = [{"name": "TZ", "value": "UTC"}, {"name": "EMPTY"}]
    triton, frontend = pod["containers"]
    assert pod["initContainers"][0]["env"] == added
    assert triton["env"][-2:] == added
    assert "OMP_NUM_THREADS" in {variable["name"] for variable in triton["env"]}
    assert "env" not in frontend


def test_labels_are_the_pods_alone_and_the_operators_stay():
    manifest = deployment(_plan(_md({"labels": {"team": "search"}})).revision)
    assert "team" not in manifest["metadata"]["labels"]
    assert manifest["spec"]["template"]["metadata"]["labels"] == {**manifest["metadata"]["labels"], "team": "search"}


def test_replicas_are_spread_over_nodes_where_that_is_possible():
    plan = _plan(_md())
    (spread,) = _template(_md())["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["maxSkew"]) == ("kubernetes.io/hostname", 1)
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    assert spread["labelSelector"]["matchLabels"] == {
        "nereid.dev/model": "m",
        "nereid.dev/revision": plan.revision.hash,
    }


def test_prepare_asks_for_the_disk_that_the_weights_need():
    prepare = _template(_md())["spec"]["initContainers"][0]["resources"]
    assert prepare["requests"]["ephemeral-storage"] == prepare["limits"]["ephemeral-storage"] == "352Mi"


@pytest.mark.parametrize(("size_bytes", "expected"), [(0, "256Mi"), (1, "257Mi"), (10 * GIBIBYTE, "11520Mi")])
def test_storage_is_the_weights_and_a_tenth_and_room_for_small_files(size_bytes: int, expected: str):
    assert storage(size_bytes) == expected


def _template(md: ModelDeployment) -> dict[str, Any]:
    template: dict[str, Any] = deployment(_plan(md).revision)["spec"]["template"]
    return template


@pytest.mark.parametrize(("replicas", "expected"), [(0, None), (1, None), (2, 1), (1000, 1)])
def test_a_budget_is_for_two_replicas_and_more(replicas: int, expected: int | None):
    assert _plan(_md(replicas=replicas)).max_unavailable == expected


def test_a_budget_counts_the_pods_that_serve_while_another_revision_starts():
    serving = DeploymentFacts("m-old", "old", "1", True, True, 2, 2, 2, 2, "")
    plan = _plan(_md(replicas=1), (serving,), "old")
    assert (plan.rollout.stable, plan.max_unavailable) == ("old", 1)
