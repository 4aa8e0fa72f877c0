"""The release before this one → this one → back → uninstalled, around a model that serves all the time.

testdata/previous holds what was released: the packaged chart, and the operator's code, which is put on this image's
packages. The previous model-runtime image is this one under its old name: what rolls the models is the name.
"""

import json
from pathlib import Path

import pytest
import yaml

from tests.cluster.backends import Request, make_backend
from tests.cluster.images import REPOSITORY, BuildInputs, image_tag, load_image, make_builder
from tests.stack.client import steady_client
from tests.stack.endpoints import least_ready
from tests.stack.helm import NAMESPACE
from tests.stack.kubectl import MODELS
from tests.stack.manifests import is_ready, model_deployment, restricted_namespace
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

PREVIOUS = Path(__file__).parent / "testdata" / "previous"
PREVIOUS_CHART = PREVIOUS / "nereid-0.1.0.tgz"
PREVIOUS_OPERATOR = "nereid.dev/operator:0.1.0"
PREVIOUS_RUNTIME = "nereid.dev/model-runtime:0.1.0"
CURRENT_RUNTIME = image_tag("model-runtime", REPOSITORY)
DOCKERFILE = f"""FROM {image_tag("operator", REPOSITORY)}
ENV PYTHONPATH=/opt/nereid/packages:/opt/nereid/previous
ADD operator-0.1.0.tar.gz /opt/nereid/previous/
"""
CRD = "modeldeployments.nereid.dev"
MODEL = "steady"
KEPT = {
    "customresourcedefinitions.apiextensions.k8s.io/modeldeployments.nereid.dev",
    "customresourcedefinitions.apiextensions.k8s.io/servingpolicies.nereid.dev",
}
LEFT = {"leases.coordination.k8s.io/nereid-operator"} | {
    f"secret/nereid-xds-{part}" for part in ("ca", "server", "client")
}


@pytest.fixture(scope="module")
def space(kubectl, namespace, store):
    """A namespace of its own: the other tests' models are not to be rolled."""
    name = f"{namespace}-upgrade"
    kubectl.apply(restricted_namespace(name), store.credentials("store-key", name))
    yield name
    kubectl.delete_namespace(name)


@pytest.fixture(scope="module")
def previous(nereid, kubectl, space, tmp_path_factory):
    """The release before this one, watching the namespace alone; afterwards this one again, watching all."""
    _make_previous_images(tmp_path_factory.mktemp("previous"))
    nereid.uninstall()
    try:
        nereid.install(f"operator.watchNamespaces={{{space}}}", chart=PREVIOUS_CHART)
        yield nereid
    finally:
        nereid.install()


@pytest.fixture(scope="module")
def served(previous, kubectl, space, store, uploaded):
    """Two replicas of a model that the previous release serves."""
    kubectl.apply(model_deployment(MODEL, space, uploaded["minilm"], store, replicas=2))
    wait_for("the model is Ready", lambda: is_ready(kubectl.get(MODELS, MODEL, space)), seconds=180)
    yield MODEL
    kubectl.run("delete", MODELS, MODEL, "-n", space)


def test_a_model_serves_through_upgrade_rollback_and_uninstall(previous, served, kubectl, space):
    """Never fewer than its two replicas are ready, and no request fails that was once connected."""
    old_fields = _crd_fields(kubectl)
    with least_ready(kubectl, space, served) as least, steady_client(kubectl, space, served) as requests:
        previous.install(f"operator.watchNamespaces={{{space}}}")
        _wait_until_served_by(kubectl, space, CURRENT_RUNTIME)
        assert _crd_fields(kubectl) == _fields_on_file()
        previous.rollback()
        _wait_until_served_by(kubectl, space, PREVIOUS_RUNTIME)
        assert _crd_fields(kubectl) == old_fields
        pods = _pods(kubectl, space)
        previous.uninstall()
        wait_for("the Lease and the certificates alone are left", lambda: _left_in_release(kubectl) == LEFT, seconds=60)
        assert _left_of_helm(kubectl, space) == KEPT
        assert _pods(kubectl, space) == pods
        requests.more()
    assert least() == 2
    assert old_fields < _fields_on_file(), "this release has fields that the one before had not"
    assert requests.failures() == []


def _make_previous_images(folder):
    backend = make_backend(Request())
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(DOCKERFILE)
    make_builder().build(PREVIOUS_OPERATOR, dockerfile, BuildInputs(PREVIOUS, wheels=None, ca_bundle=None))
    load_image(backend, PREVIOUS_OPERATOR)
    backend.name_again(CURRENT_RUNTIME, PREVIOUS_RUNTIME)


def _wait_until_served_by(kubectl, namespace, image):
    """Wait until all that serves, and all there is, are two replicas of this image."""

    def served():
        wanted = [
            item for item in kubectl.select("deployments", namespace, f"nereid.dev/model={MODEL}") if _replicas(item)
        ]
        ready = [item["status"].get("readyReplicas") for item in wanted]
        return ready == [2] and _image(wanted[0]) == image and is_ready(kubectl.get(MODELS, MODEL, namespace))

    wait_for(f"{image} serves alone", served, seconds=240)


def _replicas(deployment):
    return deployment["spec"]["replicas"] or deployment["status"].get("replicas")


def _image(deployment):
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def _pods(kubectl, namespace):
    return {
        pod["metadata"]["uid"]
        for pod in kubectl.select("pods", namespace, f"nereid.dev/model={MODEL},nereid.dev/revision")
        if "deletionTimestamp" not in pod["metadata"]
    }


def _crd_fields(kubectl):
    return _paths(json.loads(kubectl.run("get", "crd", CRD, "-o", "json")))


def _fields_on_file():
    return _paths(yaml.safe_load((REPOSITORY / "crds" / "nereid.dev_modeldeployments.yaml").read_text()))


def _paths(crd):
    (version,) = crd["spec"]["versions"]
    return set(_walk(version["schema"]["openAPIV3Schema"], ""))


def _walk(schema, path):
    yield path
    for name, child in schema.get("properties", {}).items():
        yield from _walk(child, f"{path}.{name}")


def _left_in_release(kubectl):
    """Return what lies in the release's namespace, without what Kubernetes puts into every one."""
    kinds = kubectl.run("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    kinds = [kind for kind in kinds if not kind.startswith("events")]
    text = kubectl.run("get", ",".join(kinds), "-n", NAMESPACE, "-o", "name", "--ignore-not-found")
    return {_plural(name) for name in text.split()} - {"configmap/kube-root-ca.crt", "serviceaccount/default"}


def _left_of_helm(kubectl, namespace):
    """Return what carries the release's label outside its namespace."""
    kinds = "customresourcedefinitions,clusterroles,clusterrolebindings,roles,rolebindings"
    text = kubectl.run("get", kinds, "-n", namespace, "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name")
    return {_plural(name) for name in text.split()}


def _plural(name):
    kind, _, rest = name.partition("/")
    group = kind.partition(".")
    return f"{group[0]}s.{group[2]}/{rest}" if group[2] else name
