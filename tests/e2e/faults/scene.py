"""Where faults happen and what a row of their table is. Called by of_sources, of_placement and of_pods."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum

from tests.stack.hub import Hub
from tests.stack.kubectl import Kubectl, Object
from tests.stack.manifests import condition
from tests.stack.watching import Watch

SETTLED_SECONDS = 240
MINILM = "hf://org/minilm"
BASE = "base"


class Since(Enum):
    """The sign from which the time is taken: the fault exists then."""

    INJECTED = "what makes the fault was sent"
    STARTED = "kubelet started the container that finds it"
    ENDED = "kubelet saw the container end"
    ANSWERED = "the resolve Job had its answer"
    EVICTED = "kubelet ended the pod"


@dataclass(frozen=True, slots=True)
class Scene:
    """The cluster with a hub; `running` is a namespace for what runs, `waiting` one where pods may be forbidden.

    The model BASE of `waiting` is resolved and has no pods, until a fault gives it a spec that wants one.
    """

    kubectl: Kubectl
    hub: Hub
    watch: Watch
    running: str
    waiting: str
    other_authority: str

    def model(self, namespace: str, name: str, uri: str, **spec: object) -> Object:
        """Return a ModelDeployment of the hub."""
        model = {"uri": uri, "source": {"caBundle": {"configMapName": "hub-roots"}}}
        if uri.startswith("hf://"):
            model["source"]["endpoint"] = self.hub.url
        more = spec.pop("model", {})
        source = {**model["source"], **more.pop("source", {})}
        body = {**spec, "model": {**model, **more, "source": source}}
        return {**named("nereid.dev/v1alpha1", "ModelDeployment", name, namespace), "spec": body}

    def edit_base(self, **spec: object) -> None:
        """Give the resolved model another spec, with one replica unless it says otherwise."""
        self.kubectl.apply(self.model(self.waiting, BASE, MINILM, **{"replicas": 1, **spec}))

    def newest_pod(self, namespace: str, model: str) -> str:
        """Return the name of the newest replica of a model."""
        pods = self.kubectl.select("pods", namespace, f"nereid.dev/model={model},nereid.dev/revision")
        return str(max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])["metadata"]["name"])

    def hub_pod(self) -> Object:
        """Return the pod of the hub."""
        (pod,) = self.kubectl.select("pods", self.hub.namespace, "app.kubernetes.io/name=hub")
        return pod

    def make(self, undo: ExitStack, *objects: Object) -> None:
        """Make objects that go again when the fault is over."""
        self.kubectl.apply(*objects)
        for made in objects:
            metadata = made["metadata"]
            where = ("-n", metadata["namespace"]) if "namespace" in metadata else ()
            undo.callback(self.kubectl.run, "delete", made["kind"].lower(), metadata["name"], *where)


Step = Callable[[Scene, ExitStack], None]


def nothing(scene: Scene, undo: ExitStack) -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: whose condition has which reason with which words, from which sign on, and how the fault is made.

    `prepare` is what has to be there before, and no part of the time.
    """

    model: str
    reason: str
    words: str
    inject: Step
    condition: str = "Ready"
    since: Since = Since.INJECTED
    prepare: Step = nothing

    def is_told(self, model: Object) -> bool:
        """Return whether status says it, of the spec as it is now."""
        found = condition(model, self.condition)
        now = found.get("observedGeneration") == model["metadata"]["generation"]
        return now and found["reason"] == self.reason and self.words in found["message"]


def named(version: str, kind: str, name: str, namespace: str = "") -> Object:
    """Return the beginning of an object."""
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}}
