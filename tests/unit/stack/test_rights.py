"""Grants against calls: which grant was of use."""

import pytest

from tests.stack.audit import call_of
from tests.stack.rights import Call, Grant, denied, grants_of, unused, wildcards

GET_ANY = Grant("get", "apps", "deployments")
GET_HERE = Grant("get", "apps", "deployments", "here")
GET_ONE = Grant("get", "apps", "deployments", "here", "one")

USED = {
    "a call in a namespace uses a grant for all": (GET_ANY, Call("get", "apps", "deployments", "here", "x")),
    "a call without a namespace uses a grant for all": (GET_ANY, Call("get", "apps", "deployments")),
    "a call in the namespace uses a grant in it": (GET_HERE, Call("get", "apps", "deployments", "here", "x")),
    "a call for the name uses a grant for it": (GET_ONE, Call("get", "apps", "deployments", "here", "one")),
    "an answer that there is none is one": (GET_ANY, Call("get", "apps", "deployments", "here", "x", 404)),
    "an apply that changes uses patch": (
        Grant("patch", "", "services"),
        Call("patch", "", "services", "here", "x", 200),
    ),
    "an apply that creates uses create too": (
        Grant("create", "", "services"),
        Call("patch", "", "services", "here", "x", 201),
    ),
    "a subresource is a resource": (
        Grant("patch", "apps", "deployments/scale"),
        Call("patch", "apps", "deployments/scale", "here", "x"),
    ),
}

NOT_USED = {
    "another verb": (GET_ANY, Call("list", "apps", "deployments")),
    "another group": (GET_ANY, Call("get", "", "deployments")),
    "another resource": (GET_ANY, Call("get", "apps", "replicasets")),
    "a subresource of it": (GET_ANY, Call("get", "apps", "deployments/scale")),
    "another namespace": (GET_HERE, Call("get", "apps", "deployments", "there", "x")),
    "no namespace": (GET_HERE, Call("get", "apps", "deployments")),
    "another name": (GET_ONE, Call("get", "apps", "deployments", "here", "two")),
    "an apply that only changes": (Grant("create", "", "services"), Call("patch", "", "services", "here", "x", 200)),
    "a call that was denied": (GET_ANY, Call("get", "apps", "deployments", "here", "x", 403)),
}


@pytest.mark.parametrize(("grant", "call"), USED.values(), ids=USED.keys())
def test_used(grant: Grant, call: Call):
    assert unused([grant], [call]) == []


@pytest.mark.parametrize(("grant", "call"), NOT_USED.values(), ids=NOT_USED.keys())
def test_not_used(grant: Grant, call: Call):
    assert unused([grant], [call]) == [grant]


def test_one_use_among_many_calls_is_enough():
    calls = [Call("list", "apps", "deployments"), Call("get", "apps", "deployments", "here", "x")]
    assert unused([GET_ANY], calls) == []


def test_denied_are_those_without_a_right_and_not_those_without_an_object():
    calls = [Call("get", "", "secrets", code=code) for code in (200, 401, 403, 404, 409)]
    assert [call.code for call in denied(calls)] == [401, 403]


def test_a_rule_is_every_verb_on_every_resource_in_its_namespace():
    rule = {"apiGroups": ["", "apps"], "resources": ["a", "b"], "verbs": ["get", "list"], "resourceNames": ["x", "y"]}
    role = {"metadata": {"name": "role", "namespace": "here"}, "rules": [rule]}
    found = grants_of([role])
    assert len(found) == 16
    assert Grant("list", "apps", "b", "here", "y") in found


def test_a_rule_of_a_cluster_role_is_for_every_namespace_and_name():
    role = {"metadata": {"name": "role"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}
    assert grants_of([role]) == {Grant("list", "", "pods")}


@pytest.mark.parametrize("grant", [Grant("*", "", "pods"), Grant("get", "*", "pods"), Grant("get", "", "*")], ids=str)
def test_wildcards(grant: Grant):
    assert wildcards([grant, GET_ANY]) == [grant]


def test_an_entry_of_the_audit_log_is_a_call():
    target = {"resource": "deployments", "namespace": "here", "name": "x", "apiGroup": "apps", "subresource": "scale"}
    entry = {"verb": "patch", "objectRef": target, "responseStatus": {"code": 200}}
    assert call_of(entry) == Call("patch", "apps", "deployments/scale", "here", "x", 200)
