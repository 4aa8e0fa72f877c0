"""What the server adds is no drift; what we say and it does not have is."""

from typing import Any

import pytest

from nereid_operator.render.drift import differs

CASES: dict[str, tuple[Any, Any, bool]] = {
    "the same": ({"a": 1}, {"a": 1}, False),
    "a default was added": ({"a": 1}, {"a": 1, "b": 2}, False),
    "a value was changed": ({"a": 1}, {"a": 2}, True),
    "a field was removed": ({"a": {"b": 1}}, {"a": {}}, True),
    "a sidecar was injected": (
        {"containers": [{"name": "x", "image": "1"}]},
        {"containers": [{"name": "side"}, {"name": "x", "image": "1", "stdin": False}]},
        False,
    ),
    "a container was removed": ({"containers": [{"name": "x"}]}, {"containers": []}, True),
    "an argument was added": ({"args": ["a"]}, {"args": ["a", "b"]}, True),
    "a quantity was written anew": ({"memory": "1024Mi"}, {"memory": "1Gi"}, False),
    "another quantity": ({"memory": "1024Mi"}, {"memory": "2Gi"}, True),
    "the server filled in the status of a budget": (
        {"spec": {"maxUnavailable": 1}},
        {"spec": {"maxUnavailable": 1}, "status": {"disruptionsAllowed": 1}},
        False,
    ),
    "a toleration was taken away": ({"tolerations": [{"key": "a"}]}, {"tolerations": []}, True),
    "a label was added to what selects pods": (
        {"selector": {"nereid.dev/model": "m"}},
        {"selector": {"nereid.dev/model": "m", "app": "theirs"}},
        True,
    ),
    "a rule for the network lets in another namespace": (
        {"ingress": [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 8080}]}]},
        {
            "ingress": [
                {"from": [{"podSelector": {}, "namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": 8080}]}
            ]
        },
        True,
    ),
    "a rule for the network was removed": ({"egress": [{"ports": [{"port": 53}]}]}, {"egress": []}, True),
    "nothing is there": ({"a": {"b": 1}}, {}, True),
}


@pytest.mark.parametrize(("rendered", "live", "expected"), CASES.values(), ids=CASES.keys())
def test_differs(rendered: Any, live: Any, expected: bool):
    assert differs(rendered, live) is expected
