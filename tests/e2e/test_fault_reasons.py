"""Every fault of the tables in tests/e2e/faults is told by its own reason within ten seconds, and `nereid why` agrees.

Each is really made on the real cluster. The time runs from the moment the fault exists, by the sign that its row
names, to the arrival of the status that tells it; kubelet's times are whole seconds, rounded down.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.cluster.images import image_tag
from tests.e2e.faults import of_placement, of_pods, of_sources
from tests.e2e.faults.scene import BASE, MINILM, SETTLED_SECONDS, Fault, Scene, Since, named
from tests.runtime.models import minilm_folder
from tests.stack.certificates import make_authority
from tests.stack.hub import start_hub
from tests.stack.kubectl import MODELS
from tests.stack.manifests import condition, restricted_namespace
from tests.stack.wait import wait_for
from tests.stack.watching import watching

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
TOLD_SECONDS = 10.0
# So long a fault may take to happen after it was brought about: kubelet measures disks every one to two minutes.
LONGEST_SECONDS = 180.0
_HEADER = b'{"weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
TENSORS = len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(4)
FAULTS = (
    of_sources.FAULTS
    | of_placement.OWN_MODEL_FAULTS
    | of_placement.FAULTS
    | of_pods.FAULTS
    | of_placement.FAULTS_OF_NODES
)


@dataclass(frozen=True, slots=True)
class Told:
    """How long it took from the sign and from the injection, in seconds, and what `nereid why` said."""

    after_sign: float
    after_injection: float
    why: str


@pytest.fixture(scope="module")
def scene(nereid, cluster, kubectl, tmp_path_factory):
    running, waiting = (f"nereid-faults-{uuid.uuid4().hex[:4]}-{part}" for part in ("running", "waiting"))
    folder = tmp_path_factory.mktemp("sources")
    authority, other = (make_authority(tmp_path_factory.mktemp(name)) for name in ("authority", "other"))
    kubectl.apply(restricted_namespace(running), restricted_namespace(waiting))
    try:
        hub = start_hub(kubectl, running, image_tag("model-runtime", REPOSITORY), authority, _sources(folder))
        for namespace in (running, waiting):
            bundle = {**named("v1", "ConfigMap", "hub-roots", namespace), "data": {"ca.crt": hub.certificates}}
            kubectl.apply(bundle)
        with watching(kubectl, MODELS, "--all-namespaces") as watch:
            yield Scene(kubectl, hub, watch, running, waiting, other.certificate.read_text())
    finally:
        kubectl.run("delete", "namespace", running, waiting, "--wait=false")


def _sources(folder):
    """Return the repositories and folders of the hub: the real model, and small ones with something wrong."""
    minilm = minilm_folder()
    config = json.loads((minilm / "config.json").read_text())
    small = {
        "org/without-sums": {"config.json": config},
        "org/qwen9": {"config.json": {**config, "architectures": ["Qwen9ForCausalLM"]}, "model.safetensors": TENSORS},
        "org/broken": {"config.json": config, "model.safetensors": b"no tensors"},
        "org/pickled": {"config.json": config, "pytorch_model.bin": b""},
    }
    return {"org/minilm": minilm, **{name: _written(folder / name, files) for name, files in small.items()}}


def _written(folder, files):
    folder.mkdir(parents=True)
    for name, content in {"tokenizer.json": {}, **files}.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


@pytest.fixture(scope="module")
def told(scene, cluster, request) -> Mapping[str, Future[Told]]:
    """What came of every fault that is asked for: two at a time where they do not meet, the others by themselves."""
    wanted = {item.callspec.params["name"] for item in request.session.items if item.path == request.path}
    scene.kubectl.apply(scene.model(scene.waiting, BASE, MINILM, replicas=0))
    wait_for("the model without replicas is resolved", lambda: _is_resolved(scene), seconds=SETTLED_SECONDS)
    outcomes: dict[str, Future[Told]] = {}

    def run(table: Mapping[str, Fault]) -> None:
        for name in wanted & table.keys():
            outcomes[name] = Future()
        for name, fault in table.items():
            if name in wanted:
                _settle(outcomes[name], scene, cluster, fault)

    with ThreadPoolExecutor(2) as pool:
        tables = (of_sources.FAULTS | of_placement.OWN_MODEL_FAULTS, of_placement.FAULTS | of_pods.FAULTS)
        for running in [pool.submit(run, table) for table in tables]:
            running.result()
    run(of_placement.FAULTS_OF_NODES)
    _print(outcomes)
    return outcomes


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_its_own_reason_within_ten_seconds(name, told):
    outcome = told[name].result()
    assert outcome.after_sign <= TOLD_SECONDS
    assert FAULTS[name].reason in outcome.why
    assert FAULTS[name].words in outcome.why


def _is_resolved(scene: Scene) -> bool:
    model = scene.kubectl.get(MODELS, BASE, scene.waiting) or {}
    return condition(model, "Resolved").get("status") == "True"


def _settle(outcome: Future[Told], scene: Scene, cluster, fault: Fault) -> None:
    """Make the fault, see how it is told, undo it; what goes wrong is the outcome of this fault alone."""
    try:
        with ExitStack() as undo:
            outcome.set_result(_tell(scene, cluster, fault, undo))
    except Exception as error:  # noqa: BLE001 - raised again by the test of this fault
        outcome.set_exception(error)


def _tell(scene: Scene, cluster, fault: Fault, undo: ExitStack) -> Told:
    namespace = scene.waiting if fault.model == BASE else scene.running
    fault.prepare(scene, undo)
    if fault.model == BASE:
        # Before what forbids its pods goes.
        undo.callback(scene.edit_base, replicas=0)
    injected = time.time()
    fault.inject(scene, undo)
    seen = scene.watch.wait_for(namespace, fault.model, fault.is_told, after=injected, seconds=LONGEST_SECONDS)
    # kubelet remembers no more than the last two ends of a container.
    pods = scene.kubectl.select("pods", namespace, f"nereid.dev/model={fault.model}")
    why = _why(cluster, namespace, fault.model)
    sign = injected if fault.since is Since.INJECTED else _sign(pods, fault.since, injected=injected)
    return Told(seen.at - sign, seen.at - injected, why)


def _why(cluster, namespace: str, name: str) -> str:
    command = [sys.executable, "-m", "nereid_operator.cli", "-n", namespace, "why", name]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=90, check=False)
    return done.stdout + done.stderr


def _sign(pods: Iterable[dict], since: Since, *, injected: float) -> float:
    """Return the first sign of this kind that came of the injection."""
    # An end that kubelet did not see itself has no time.
    times = [time for pod in pods for time in SIGNS[since](pod) if time]
    return min(at for at in map(_seconds, times) if at >= int(injected))


def _ends(pod: dict) -> Iterable[dict]:
    status = pod["status"]
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        for state in (container.get("state", {}), container.get("lastState", {})):
            if "terminated" in state:
                yield state["terminated"]


def _evicted(pod: dict) -> Iterable[str]:
    if pod["status"].get("reason") == "Evicted":
        yield from (found["lastTransitionTime"] for found in pod["status"]["conditions"] if found["type"] == "Ready")


SIGNS = {
    Since.STARTED: lambda pod: (ended["startedAt"] for ended in _ends(pod) if ended["exitCode"]),
    Since.ENDED: lambda pod: (ended["finishedAt"] for ended in _ends(pod) if ended["exitCode"]),
    Since.ANSWERED: lambda pod: (ended["finishedAt"] for ended in _ends(pod) if not ended["exitCode"]),
    Since.EVICTED: _evicted,
}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _print(outcomes: Mapping[str, Future[Told]]) -> None:
    found = {name: outcome.result() for name, outcome in outcomes.items() if outcome.exception() is None}
    for name, outcome in found.items():
        sign = FAULTS[name].since.value
        sys.stdout.write(f"{outcome.after_sign:5.1f} s  {outcome.after_injection:5.1f} s  {name} (since {sign})\n")
    times = [outcome.after_sign for outcome in found.values()]
    if times:
        sys.stdout.write(f"{len(times)} faults: median {statistics.median(times):.1f} s, worst {max(times):.1f} s\n")
