"""The cache keeps the newest reading, finds children by label, and notices what a watch did not tell."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import yaml

from nereid_operator.api.resources import CHILDREN, DEPLOYMENT, MODEL_DEPLOYMENT, POD, SERVICE, Key
from nereid_operator.cache import Cache
from nereid_operator.observe import is_managed

KEY = Key("default", "m")
KINDS = {resource.kind: resource for resource in CHILDREN}


_MANAGED = {"manager": "nereid", "operation": "Apply", "fieldsV1": {"f:spec": {}}}


def _body(name: str, version: int, *, model: str | None = "m", uid: str = "u", **fields: Any) -> dict[str, Any]:
    labels = {"nereid.dev/model": model} if model else {}
    metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"metadata": {**metadata, "managedFields": [_MANAGED]}, **fields}


def test_an_older_reading_never_replaces_a_newer_one():
    cache = Cache()
    cache.put(SERVICE, _body("m", 5, spec={"new": 1}))
    cache.put(SERVICE, _body("m", 4, spec={"old": 1}))
    service = cache.service(KEY)
    assert service is not None
    assert service["spec"] == {"new": 1}


def test_an_object_made_anew_replaces_one_of_a_higher_version():
    cache = Cache()
    cache.put(SERVICE, _body("m", 5, spec={"old": 1}))
    cache.put(SERVICE, _body("m", 4, uid="other", spec={"new": 1}))
    service = cache.service(KEY)
    assert service is not None
    assert service["spec"] == {"new": 1}


def test_the_deletion_of_an_earlier_object_of_the_name_is_ignored():
    cache = Cache()
    cache.put(SERVICE, _body("m", 5, uid="new"))
    assert cache.drop(SERVICE, _body("m", 4, uid="old")) == KEY
    assert cache.service(KEY) is not None


def test_a_late_answer_does_not_bring_back_what_was_deleted():
    cache = Cache()
    cache.put(SERVICE, _body("m", 5))
    cache.drop(SERVICE, _body("m", 6))
    cache.put(SERVICE, _body("m", 5))
    cache.put(SERVICE, _body("m", 5))
    cache.prune(SERVICE, {(KEY, "m")}, "5")
    assert cache.service(KEY) is None


def test_an_object_that_got_its_label_back_is_there_again():
    cache = Cache()
    cache.put(SERVICE, _body("m", 5))
    cache.drop(SERVICE, _body("m", 6))
    cache.put(SERVICE, _body("m", 7))
    assert cache.service(KEY) is not None


def test_deletions_are_remembered_only_until_a_list_knows_of_them():
    def after(deletions: int) -> Cache:
        cache = Cache()
        for number in range(deletions):
            cache.put(SERVICE, _body(f"m-{number}", number, model=f"m-{number}", uid=f"u{number}"))
            cache.drop(SERVICE, _body(f"m-{number}", number, model=f"m-{number}", uid=f"u{number}"))
        cache.prune(SERVICE, set(), "200")
        return cache

    assert after(100) == after(1)


def test_an_object_without_our_label_concerns_nobody():
    assert Cache().put(SERVICE, _body("m", 1, model=None)) is None


def test_a_list_brings_what_a_watch_lost_and_drops_what_is_gone():
    cache = Cache()
    cache.put(DEPLOYMENT, _body("m-gone", 1))
    cache.put(DEPLOYMENT, _body("m-younger", 9))
    cache.put(DEPLOYMENT, _body("m-missed", 3))
    cache.prune(DEPLOYMENT, {(KEY, "m-missed")}, "5")
    assert [body["metadata"]["name"] for body in cache.deployments(KEY)] == ["m-missed", "m-younger"]


def test_a_model_with_its_children_takes_less_than_20_kib():
    """As Python's objects it is 62, and with what the API server adds twice that."""
    golden = Path(__file__).parents[2] / "golden" / "testdata" / "minimal.objects.yaml"
    bodies = [body for body in yaml.safe_load_all(golden.read_text()) if body["kind"] in KINDS]
    assert len(bodies) >= 4
    cache, models = Cache(), 20
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(models):
        for body in bodies:
            cache.put(KINDS[body["kind"]], _fresh(body, str(number)))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / models / 1024 < 20


def _fresh(body: dict[str, Any], model: str) -> dict[str, Any]:
    """Return a copy as it comes from the API server, which shares no part with another."""
    labels = {**body["metadata"]["labels"], "nereid.dev/model": model}
    metadata = {**body["metadata"], "labels": labels, "uid": model, "resourceVersion": "1"}
    fresh: dict[str, Any] = json.loads(json.dumps({**body, "metadata": metadata}))
    return fresh


def test_pods_are_kept_as_facts_and_of_managed_fields_only_who_manages():
    cache = Cache()
    cache.put(POD, _body("m-1", 1, status={"phase": "Running"}))
    cache.put(MODEL_DEPLOYMENT, _body("m", 2, model=None, spec={}))
    assert [pod.phase for pod in cache.pods(KEY)] == ["Running"]
    body = cache.model_deployment(KEY)
    assert body is not None
    assert body["metadata"]["managedFields"] == [{"manager": "nereid", "operation": "Apply"}]


def test_a_client_without_a_name_manages_fields_too():
    """The API server leaves `manager` out for a client that names neither itself nor its program."""
    cache = Cache()
    body = _body("m", 1, model=None)
    cache.put(
        MODEL_DEPLOYMENT, {"metadata": {**body["metadata"], "managedFields": [{"operation": "Update"}, _MANAGED]}}
    )
    kept = cache.model_deployment(KEY)
    assert kept is not None
    assert is_managed(kept, "nereid")
    assert not is_managed(kept, "nereid-scale")
