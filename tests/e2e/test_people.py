"""What people may do with models who hold Kubernetes' own roles view, edit and admin in a namespace."""

import pytest

from tests.stack.kubectl import KubectlError

pytestmark = pytest.mark.e2e

READS = ("get", "list", "watch")
WRITES = ("create", "update", "patch", "delete", "deletecollection")
MAY = {
    "view": {"modeldeployments": READS, "modeldeployments/status": ("get",), "modeldeployments/scale": ("get",)},
    "edit": {
        "modeldeployments": READS + WRITES,
        "modeldeployments/status": ("get",),
        "modeldeployments/scale": ("get", "update", "patch"),
    },
}
MAY["admin"] = MAY["edit"]
RESOURCES = ("modeldeployments", "modeldeployments/status", "modeldeployments/scale")


@pytest.fixture(scope="module")
def people(nereid, kubectl, namespace):
    """A user named after each role, who holds it in the tests' namespace."""
    kubectl.apply(*(_binding(role, namespace) for role in MAY))
    return tuple(MAY)


@pytest.mark.parametrize("role", MAY)
def test_a_role_of_kubernetes_means_the_same_for_models(people, kubectl, namespace, role):
    asked = [(verb, resource) for resource in RESOURCES for verb in READS + WRITES]
    allowed = {(verb, resource) for verb, resource in asked if _may(kubectl, role, namespace, verb, resource)}
    assert allowed == {(verb, resource) for resource, verbs in MAY[role].items() for verb in verbs}


def test_a_role_in_one_namespace_means_nothing_in_another(people, kubectl):
    assert not _may(kubectl, "admin", "default", "get", "modeldeployments")


def _may(kubectl, user, namespace, verb, resource):
    name, _, subresource = resource.partition("/")
    arguments = [verb, f"{name}.nereid.dev", "-n", namespace, "--as", user]
    try:
        said = kubectl.run("auth", "can-i", *arguments, *([f"--subresource={subresource}"] if subresource else []))
    except KubectlError as refused:
        # can-i ends with 1 for a no, and with the same for anything else.
        if not str(refused).endswith(": no"):
            raise
        return False
    return said.strip() == "yes"


def _binding(role, namespace):
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"people-{role}", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": role}],
    }
