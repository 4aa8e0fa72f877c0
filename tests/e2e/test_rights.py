"""The operator's rights are those it uses: the chart's rules against the audit log of a model's whole life.

Once with rights everywhere, once with rights in one namespace; the second time models elsewhere are left alone.
"""

import json
from datetime import UTC, datetime

import pytest

from tests.stack.audit import AuditLog
from tests.stack.components import stopped
from tests.stack.helm import NAMESPACE
from tests.stack.kubectl import MODELS, KubectlError
from tests.stack.manifests import condition, model_deployment
from tests.stack.rights import ANY, denied, grants_of, unused, wildcards
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

USER = f"system:serviceaccount:{NAMESPACE}:nereid-operator"
# Asked inside the API server by its admission, which the audit log does not tell; a test of its own shows the need.
FINALIZERS = ("nereid.dev", "modeldeployments/finalizers")
CLUSTER_WIDE = ""
CERTIFICATES = ("nereid-xds-ca", "nereid-xds-server", "nereid-xds-client")
MANAGED = "app.kubernetes.io/managed-by"
# No pod is to start: what the operator asks is the same.
TOO_LARGE = {"resources": {"requests": {"memory": "64Ti"}, "limits": {"memory": "64Ti"}}}


@pytest.fixture
def too_large(store, uploaded):
    """The manifest of a model whose pods never start."""
    return lambda name, where, replicas: model_deployment(
        name, where, uploaded["minilm"], store, replicas=replicas, runtime=TOO_LARGE
    )


@pytest.fixture
def life(kubectl, namespace, too_large):
    """Live through all that can happen to a model; its own Deployments only, no pod."""

    def live(name: str) -> None:
        kubectl.apply(_policy(name), too_large(name, namespace, 2))
        try:
            wait_for("a judged policy", lambda: "status" in kubectl.get("servingpolicy", name, namespace), seconds=60)
            wait_for("a budget", lambda: kubectl.get("poddisruptionbudget", name, namespace), seconds=120)
            for size in (2, 3, 4):
                _edit(kubectl, namespace, name, {"runtime": {"batching": {"maxBatchSize": size}}})
            wait_for(
                "the first revision is deleted", lambda: len(_revisions(kubectl, namespace, name)) == 2, seconds=30
            )
            _unlabel_and_wait(kubectl, namespace, name)
            kubectl.run("scale", MODELS, name, "-n", namespace, "--replicas=1")
            wait_for("no budget", lambda: not kubectl.get("poddisruptionbudget", name, namespace), seconds=30)
            _edit(kubectl, namespace, name, {"model": {"task": "Embedding"}})
            _forget_and_wait(kubectl, namespace, name)
            _refuse_pod_and_wait(kubectl, namespace, name)
            with stopped("kube-controller-manager"):
                _remake_and_wait(kubectl, too_large(name, namespace, 1))
        finally:
            kubectl.run("delete", f"{MODELS},servingpolicies", name, "-n", namespace)

    return live


@pytest.fixture
def restored(nereid):
    """The release as the other tests have it, afterwards."""
    yield nereid
    nereid.install()


@pytest.fixture
def narrowed(kubectl, namespace, restored, too_large):
    """The release with rights in one namespace, where a model was before; another model in another namespace.

    Give that namespace, and since when it is so.
    """
    other = f"{namespace}-other"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}
    kubectl.apply(space, too_large("kept", namespace, 1))
    try:
        wait_for("a NetworkPolicy", lambda: kubectl.get("networkpolicy", "kept", namespace), seconds=120)
        since = datetime.now(UTC)
        _forget_certificates(kubectl)
        restored.install(f"operator.watchNamespaces={{{namespace}}}", "networkPolicy.enabled=false")
        _remake_lease(kubectl)
        kubectl.apply(too_large("elsewhere", other, 1))
        yield other, since
    finally:
        kubectl.run("delete", MODELS, "kept", "-n", namespace)
        kubectl.delete_namespace(other)


def test_with_rights_everywhere_each_is_used_and_nothing_is_denied(kubectl, cluster, restored, life):
    since = datetime.now(UTC)
    _forget_certificates(kubectl)
    kubectl.run("rollout", "restart", "deployment/nereid-operator", "-n", NAMESPACE)
    kubectl.run("rollout", "status", "deployment/nereid-operator", "-n", NAMESPACE, "--timeout=60s")
    _remake_lease(kubectl)
    life("rights-everywhere")
    _assert_exact(kubectl, AuditLog(cluster.audit_log).calls(USER, since))


def test_with_rights_in_one_namespace_each_is_used_and_models_elsewhere_are_left_alone(
    kubectl, cluster, life, namespace, narrowed
):
    other, since = narrowed
    life("rights-here")
    wait_for("no NetworkPolicy", lambda: not kubectl.get("networkpolicy", "kept", namespace), seconds=30)
    calls = AuditLog(cluster.audit_log).calls(USER, since)
    _assert_exact(kubectl, calls)
    everywhere = {grant.resource for grant in grants_of(_roles(kubectl)) if grant.namespace == ANY}
    assert everywhere == {"servingpolicies", "servingpolicies/status", "namespaces"}
    assert {call.namespace for call in calls} == {NAMESPACE, namespace, CLUSTER_WIDE}
    assert "status" not in kubectl.get(MODELS, "elsewhere", other)
    assert kubectl.select("jobs,deployments,services", other) == []


def test_owner_references_need_the_right_to_finalize_the_model(kubectl, nereid, namespace, both_models):
    """Where the API server's OwnerReferencesPermissionEnforcement is on, as it is here."""
    model = kubectl.get(MODELS, both_models[0], namespace)
    owner = {"apiVersion": model["apiVersion"], "kind": model["kind"], "blockOwnerDeletion": True}
    owner |= {key: model["metadata"][key] for key in ("name", "uid")}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "owned", "namespace": namespace, "ownerReferences": [owner]},
        "spec": {"ports": [{"port": 80}]},
    }
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "creates-services", "namespace": namespace},
        "rules": [{"apiGroups": [""], "resources": ["services"], "verbs": ["create"]}],
    }
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "somebody"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "creates-services", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "creates-services"},
        "subjects": [subject],
    }
    kubectl.apply(role, binding)
    create = ("create", "--dry-run=server", "-f", "-", "--as")
    kubectl.run(*create, USER, stdin=json.dumps(service))
    with pytest.raises(KubectlError, match="finalizers"):
        kubectl.run(*create, "somebody", stdin=json.dumps(service))


def _assert_exact(kubectl, calls):
    """Every rule of the release was used, none is wider than it reads, and nothing more was asked."""
    grants = grants_of(_roles(kubectl))
    assert denied(calls) == []
    assert wildcards(grants) == []
    secrets = [grant for grant in grants if grant.resource == "secrets"]
    assert {grant.verb for grant in secrets if grant.namespace != NAMESPACE} == {"get"}, "those of models"
    assert {grant.name for grant in secrets if grant.namespace == NAMESPACE} == {ANY, *CERTIFICATES}
    assert {grant.verb for grant in secrets if grant.namespace == NAMESPACE and grant.name == ANY} == {"create"}
    left = [grant for grant in unused(grants, calls) if (grant.group, grant.resource) != FINALIZERS]
    assert left == []


def _forget_certificates(kubectl):
    """The operator that leads next makes them again."""
    kubectl.run("delete", "secrets", *CERTIFICATES, "-n", NAMESPACE, "--ignore-not-found")


def _roles(kubectl):
    """Return the Roles and ClusterRoles that are bound to the operator."""
    text = kubectl.run("get", "rolebindings,clusterrolebindings", "-A", "-o", "json")
    return [_role(kubectl, item) for item in json.loads(text)["items"] if _binds_operator(item)]


def _binds_operator(binding):
    subject = {"kind": "ServiceAccount", "name": "nereid-operator", "namespace": NAMESPACE}
    return subject in binding.get("subjects", [])


def _role(kubectl, binding):
    where = ("-n", binding["metadata"]["namespace"]) if binding["roleRef"]["kind"] == "Role" else ()
    return json.loads(
        kubectl.run("get", binding["roleRef"]["kind"].lower(), binding["roleRef"]["name"], "-o", "json", *where)
    )


def _policy(name):
    """Return a policy that holds nowhere."""
    return {
        "apiVersion": "nereid.dev/v1alpha1",
        "kind": "ServingPolicy",
        "metadata": {"name": name},
        "spec": {"namespaceSelector": {"matchLabels": {"nereid.dev/nowhere": "true"}}, "maxReplicas": 9},
    }


def _remake_lease(kubectl):
    """Let the operators make the Lease anew, as they do the first time."""
    kubectl.run("delete", "lease", "nereid-operator", "-n", NAMESPACE)
    wait_for("another Lease", lambda: kubectl.get("lease", "nereid-operator", NAMESPACE), seconds=30)


def _edit(kubectl, namespace, name, spec):
    """Edit the model and wait for another Deployment than there were."""
    before = _revisions(kubectl, namespace, name)
    kubectl.run("patch", MODELS, name, "-n", namespace, "--type=merge", "-p", json.dumps({"spec": spec}))
    wait_for("another revision", lambda: _revisions(kubectl, namespace, name) - before, seconds=60)


def _unlabel_and_wait(kubectl, namespace, name):
    """Hide the children from the operator's watches: it tries to create them, looks at what is there, and mends it."""
    kinds = "services,serviceaccounts,configmaps,networkpolicies,poddisruptionbudgets"
    selector = f"nereid.dev/model={name}"
    current = wait_for("a status of the spec", lambda: _current(kubectl.get(MODELS, name, namespace)), seconds=30)
    count = len(kubectl.select(kinds, namespace, f"{selector},{MANAGED}"))
    kubectl.run("label", kinds, "-l", selector, "-n", namespace, f"{MANAGED}-")
    kubectl.run("label", "deployment", f"{name}-{current}", "-n", namespace, f"{MANAGED}-")
    wait_for("the labels", lambda: len(kubectl.select(kinds, namespace, f"{selector},{MANAGED}")) == count, seconds=60)
    wait_for(
        "its label", lambda: len(kubectl.select("deployments", namespace, f"{selector},{MANAGED}")) == 2, seconds=60
    )


def _current(model):
    """Return the revision of the spec as it is now; None while status is not of this spec."""
    status = model["status"]
    return status["revisions"]["current"] if status["observedGeneration"] == model["metadata"]["generation"] else None


def _forget_and_wait(kubectl, namespace, name):
    """Hide the resolve Job and wipe the status, so that the operator asks for a Job that is there, and labels it."""
    selector = f"nereid.dev/model={name}"
    kubectl.run("label", "jobs", "-l", selector, "-n", namespace, f"{MANAGED}-")
    wipe = ("--subresource=status", "--type=merge", "-p", '{"status": null}')
    kubectl.run("patch", MODELS, name, "-n", namespace, *wipe)
    wait_for("a status", lambda: kubectl.get(MODELS, name, namespace).get("status"), seconds=30)
    wait_for("its label", lambda: kubectl.select("jobs", namespace, f"{selector},{MANAGED}"), seconds=30)


def _remake_and_wait(kubectl, manifest):
    """Delete the model and make it again: what the earlier one left, the operator deletes when nobody else does."""
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    kinds = "services,serviceaccounts,configmaps,networkpolicies"
    left = _uids(kubectl, kinds, namespace, name)
    kubectl.run("delete", MODELS, name, "-n", namespace)
    kubectl.apply(manifest)
    wait_for("nothing of the earlier model", lambda: not left & _uids(kubectl, kinds, namespace, name), seconds=90)


def _uids(kubectl, kinds, namespace, name):
    return {item["metadata"]["uid"] for item in kubectl.select(kinds, namespace, f"nereid.dev/model={name}")}


def _refuse_pod_and_wait(kubectl, namespace, name):
    """Let a quota refuse the pod of a resolve Job: the operator reads in the Job's Events why it has none."""
    meta = {"name": "no-pods", "namespace": namespace}
    kubectl.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": "0"}}})
    try:
        wait_for("a count", lambda: kubectl.get("resourcequota", "no-pods", namespace).get("status"), seconds=60)
        kubectl.run("annotate", MODELS, name, "-n", namespace, "nereid.dev/refresh=now")
        wait_for("the quota's words", lambda: _tells_of_quota(kubectl.get(MODELS, name, namespace)), seconds=60)
    finally:
        kubectl.run("delete", "resourcequota", "no-pods", "-n", namespace)


def _tells_of_quota(model):
    return "exceeded quota: no-pods" in condition(model, "Resolved").get("message", "")


def _revisions(kubectl, namespace, name):
    return {item["metadata"]["name"] for item in kubectl.select("deployments", namespace, f"nereid.dev/model={name}")}
