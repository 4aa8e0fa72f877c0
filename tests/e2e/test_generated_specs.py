"""Whatever spec follows whatever other, on pods that are real: requests are answered, and the way back leads home.

Half of the changes are specs that can serve, and are waited for; the others are as they came from the schema, and
most of them name nodes, classes, devices or digests that are nowhere: what served before them has to go on.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from nereid_operator.api.quantities import duration_microseconds
from tests.stack.client import SteadyClient, steady_client
from tests.stack.kubectl import MODELS, Kubectl, KubectlError, Object
from tests.stack.manifests import model_deployment
from tests.stack.revisions import replicas_of, served_alone
from tests.stack.specs import runs_of, specs
from tests.stack.wait import wait_for
from tests.stack.watching import Seen, watching

pytestmark = pytest.mark.e2e

MODEL = "varied"
SENTENCE = "Is the way back the same as the way there?"
CHANGES_OF_A_RUN = 5
SERVED_SECONDS = 180
# With these a pod can run wherever one without them can.
HARMLESS = ("labels", "annotations", "tolerations", "imagePullSecrets", "env")
# With these a queue may refuse a request.
REFUSING = ("maxQueueSize", "queueTimeout")
# A request waits so long for others to share its batch, and the client for its answer.
LONGEST_DELAY_MILLISECONDS = 20
RESOURCES = st.builds(
    lambda cpu, memory: {"requests": {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}, "limits": {"memory": f"{memory}Mi"}},
    st.integers(50, 200),
    st.integers(1400, 1800),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What a spec says beside the model's place, and whether a cluster without anything special can serve it."""

    spec: Object
    serves: bool


@dataclass
class Count:
    """How many changes were observed and refused, and how many pods they made and had ready."""

    observed: int = 0
    refused: int = 0
    made: set[str] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        """Return the figures."""
        return (
            f"{self.observed} changes observed, {self.refused} refused; "
            f"{len(self.made)} pods made, {len(self.ready)} of them ready"
        )


@dataclass
class Silence:
    """The times in which nobody need answer, because the spec itself asked for no replica."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    since: float | None = None

    def begin(self) -> None:
        self.since = self.since or time.time()

    def end(self) -> None:
        if self.since is not None:
            self.spans.append((self.since, time.time()))
            self.since = None

    def excuses(self, failure: Object) -> bool:
        return any(begin <= failure["at"] <= end for begin, end in self.spans)


@dataclass(frozen=True, slots=True)
class Varied:
    """The model whose spec is changed, as it was at first."""

    kubectl: Kubectl
    namespace: str
    manifest: Object
    count: Count

    def apply(self, spec: Object) -> None:
        """Apply a spec and wait until status speaks of it."""
        first = self.manifest["spec"]
        self.kubectl.apply({**self.manifest, "spec": {**spec, "model": {**first["model"], **spec.get("model", {})}}})
        wanted = self.get()["metadata"]["generation"]
        wait_for(
            f"{spec} observed",
            lambda: self.get().get("status", {}).get("observedGeneration", 0) >= wanted,
            seconds=60,
        )

    def get(self) -> Object:
        body = self.kubectl.get(MODELS, MODEL, self.namespace)
        assert body is not None
        return body

    def served(self) -> None:
        served_alone(self.kubectl, self.namespace, MODEL, seconds=SERVED_SECONDS)

    def pod_specs(self) -> list[Object]:
        return [pod["spec"] for pod in replicas_of(self.kubectl, self.namespace, MODEL).values()]


@pytest.fixture
def varied(nereid, kubectl, namespace, store, uploaded):
    """A model that serves with one replica."""
    manifest = model_deployment(MODEL, namespace, uploaded["minilm"], store, replicas=1)
    kubectl.apply(manifest)
    made = Varied(kubectl, namespace, manifest, Count())
    made.served()
    yield made
    kubectl.run("delete", MODELS, MODEL, "-n", namespace)
    wait_for("its pods gone", lambda: not kubectl.select("pods", namespace, f"nereid.dev/model={MODEL}"), seconds=120)


def test_a_few_generated_changes_and_back(varied, openai_client, embedded):
    _change(varied, openai_client, embedded, changes=5)


@pytest.mark.soak
def test_fifty_generated_changes_and_back(varied, openai_client, embedded, capsys):
    began = time.monotonic()
    _change(varied, openai_client, embedded, changes=50)
    with capsys.disabled():
        print(f"\n{varied.count}, in {time.monotonic() - began:.0f} s")  # noqa: T201
    assert varied.count.refused < varied.count.observed / 4


def _change(varied, openai_client, embedded, *, changes):
    first = varied.pod_specs()
    for run in runs_of(_changes(), count=changes // CHANGES_OF_A_RUN, length=CHANGES_OF_A_RUN):
        _one_way_and_back(varied, run)
        assert varied.pod_specs() == first, run
        assert _cosine(openai_client, embedded) >= 1 - 1e-5, run
    assert varied.count.observed + varied.count.refused == changes


def _one_way_and_back(varied: Varied, run: list[Change]) -> None:
    silence = Silence()
    selector = f"nereid.dev/model={MODEL},nereid.dev/revision"
    with (
        watching(varied.kubectl, "pods", "-n", varied.namespace, "-l", selector) as watch,
        steady_client(varied.kubectl, varied.namespace, MODEL) as requests,
    ):
        for change in run:
            _one_change(varied, change, requests, silence)
        varied.apply(varied.manifest["spec"])
        _answered(varied, requests, silence)
    _count_pods(varied.count, watch.events)
    assert [failure for failure in requests.failures() if not silence.excuses(failure)] == [], run


def _one_change(varied: Varied, change: Change, requests: SteadyClient, silence: Silence) -> None:
    """Make the change; while it cannot serve what served before answers, unless that was told to have no replica."""
    if change.spec.get("replicas") == 0:
        silence.begin()
    try:
        varied.apply(change.spec)
    except KubectlError as error:
        if change.serves or "is invalid" not in str(error):
            raise
        varied.count.refused += 1
    else:
        varied.count.observed += 1
    if change.serves and change.spec.get("replicas") != 0:
        _answered(varied, requests, silence)
    elif silence.since is None:
        requests.more()


def _answered(varied: Varied, requests: SteadyClient, silence: Silence) -> None:
    """Wait until the spec's own revision serves, and has been asked."""
    varied.served()
    requests.more()
    silence.end()


def _count_pods(count: Count, events: Iterable[Seen]) -> None:
    for pod in (event.object for event in events):
        conditions = pod["status"].get("conditions", ())
        count.made.add(pod["metadata"]["uid"])
        if any((condition["type"], condition["status"]) == ("Ready", "True") for condition in conditions):
            count.ready.add(pod["metadata"]["uid"])


def _cosine(openai_client: Any, embedded: Any) -> float:
    """Return how near the model's embedding is to the reference library's."""
    with openai_client(MODEL) as client:
        ours = np.array(client.embeddings.create(model=MODEL, input=SENTENCE).data[0].embedding)
    (reference,) = embedded([SENTENCE])
    return float(ours @ reference / (np.linalg.norm(ours) * np.linalg.norm(reference)))


def _changes() -> st.SearchStrategy[Change]:
    changes = st.builds(_serving, specs(), st.none() | RESOURCES) | st.builds(_as_it_came, specs())
    return changes.filter(lambda change: _says_anything(change.spec))


def _serving(spec: Object, resources: Object | None) -> Change:
    """Return the change with what of the spec a pod can run with."""
    runtime = _answered_soon(spec.get("runtime", {}))
    said: dict[str, Any] = {
        "batching": runtime.get("batching"),
        "device": runtime.get("device") if runtime.get("device") != "GPU" else None,
        "resources": resources,
    }
    pod = {name: value for name, value in spec.get("pod", {}).items() if name in HARMLESS}
    kept = {name: value for name, value in said.items() if value is not None}
    return Change({"replicas": spec.get("replicas", 1), "runtime": kept, "pod": pod}, serves=True)


def _as_it_came(spec: Object) -> Change:
    """Return the change with all of the spec, save where the model is and how it is called.

    What cannot be resolved hides all else, so the rest of the model changes only where nothing else does.
    """
    parts = {"runtime": _answered_soon(spec.get("runtime", {})), "pod": spec.get("pod", {})}
    model = {name: spec["model"][name] for name in ("revision", "digest", "task") if name in spec["model"]}
    said = {"model": {}, **parts} if _says_anything(parts) else {"model": model}
    return Change({**said, "replicas": max(1, spec.get("replicas", 1))}, serves=False)


def _says_anything(value: Any) -> bool:
    """Tell whether there is more than empty parts, and the replicas."""
    if isinstance(value, dict):
        return any(_says_anything(entry) for name, entry in value.items() if name != "replicas")
    return value not in ([], "")


def _answered_soon(runtime: Object) -> Object:
    """Return the runtime with a queue in which no request waits long, and none is refused."""
    batching = {name: value for name, value in runtime.get("batching", {}).items() if name not in REFUSING}
    if "maxQueueDelay" in batching:
        delay = min(duration_microseconds(batching["maxQueueDelay"]) // 1000, LONGEST_DELAY_MILLISECONDS)
        batching["maxQueueDelay"] = f"{delay}ms"
    return {**runtime, "batching": batching}
