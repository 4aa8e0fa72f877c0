"""`make demo`: from nothing to two models that answer, every step shown; leaves everything running to look at."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import tritonclient.grpc as triton
from openai.types.chat import ChatCompletionMessageParam

from tests.cluster import bring_up
from tests.runtime.models import minilm_folder, smollm2_folder
from tests.stack.helm import NAMESPACE as RELEASE_NAMESPACE
from tests.stack.helm import Helm
from tests.stack.kubectl import MODELS, Kubectl
from tests.stack.manifests import condition, is_ready, mirrors_policy, model_deployment, restricted_namespace
from tests.stack.store import Store, start_store, upload
from tests.stack.wait import wait_for

NAMESPACE = "nereid-demo"
GATEWAY = "nereid-gateway"
SENTENCES = ("A cat sleeps on the sofa.", "A kitten naps on the couch.", "The central bank raised its rates.")
QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You answer in one short sentence."},
    {"role": "user", "content": "What is the capital of France?"},
]


def say(text: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step and say how long it took."""
    say(f"\n==> {title}")
    start = time.monotonic()
    yield
    say(f"    done in {time.monotonic() - start:.0f} s")


def main() -> None:
    """Run the demo from start to end."""
    with step("A Kubernetes cluster and the images"):
        kubectl = Kubectl(bring_up())
    with step("helm install nereid charts/nereid"):
        say(_indented(Helm(kubectl.kubeconfig).install()))
    with step("Two models in an S3 bucket"):
        store = _store_with_models(kubectl)
    with step("kubectl apply: a ServingPolicy that lets models come from inside the cluster"):
        policy = mirrors_policy()
        say(_indented(json.dumps(policy, indent=2)))
        kubectl.apply(policy)
    with step("kubectl apply: two ModelDeployments"):
        _apply_models(kubectl, store)
    with step("Waiting until they answer"):
        for name in ("minilm", "smollm2"):
            _wait_with_progress(kubectl, name)
    say(kubectl.run("get", MODELS, "-n", NAMESPACE, "-o", "wide"))
    with (
        step(f"The gateway: kubectl port-forward -n {RELEASE_NAMESPACE} service/{GATEWAY} :80"),
        kubectl.port_forward(f"service/{GATEWAY}", RELEASE_NAMESPACE, 80) as local,
    ):
        _ask_minilm(f"127.0.0.1:{local[80]}")
        _ask_smollm2(f"127.0.0.1:{local[80]}")
    _how_to_go_on(kubectl)


def _store_with_models(kubectl: Kubectl) -> Store:
    kubectl.apply(restricted_namespace(NAMESPACE))
    store = start_store(kubectl, NAMESPACE)
    upload(kubectl, store, "minilm", minilm_folder())
    upload(kubectl, store, "smollm2", smollm2_folder())
    kubectl.apply(store.credentials("store-key", NAMESPACE))
    return store


def _apply_models(kubectl: Kubectl, store: Store) -> None:
    models = [model_deployment(name, NAMESPACE, f"s3://models/{name}", store) for name in ("minilm", "smollm2")]
    say(_indented(json.dumps(models[0], indent=2)))
    kubectl.apply(*models)


def _wait_with_progress(kubectl: Kubectl, name: str) -> None:
    """Print what the Ready condition says whenever that changes."""
    said: list[str] = []

    def probe() -> bool:
        model = kubectl.get(MODELS, name, NAMESPACE) or {}
        ready = condition(model, "Ready")
        line = f"    {name}: Ready={ready.get('status')} {ready.get('reason')}: {ready.get('message')}"
        if line not in said[-1:]:
            said.append(line)
            say(line)
        return bool(model) and is_ready(model)

    wait_for(f"{name} Ready", probe, seconds=600, interval=1)


def _ask_minilm(address: str) -> None:
    name = f"{NAMESPACE}.minilm"
    client = openai.OpenAI(base_url=f"http://{address}/v1", api_key="none")
    say(f"\n==> openai: client.embeddings.create(model={name!r}, input=[three sentences])")
    vectors = [item.embedding for item in client.embeddings.create(model=name, input=list(SENTENCES)).data]
    for other, sentence in zip(vectors[1:], SENTENCES[1:], strict=True):
        cosine = sum(a * b for a, b in zip(vectors[0], other, strict=True))
        say(f"    cosine({SENTENCES[0]!r}, {sentence!r}) = {cosine:.3f}")
    say(f"\n==> tritonclient.grpc, at the same address: get_model_metadata({name!r})")
    with triton.InferenceServerClient(address) as server:
        say(_indented(str(server.get_model_metadata(name, as_json=True))))


def _ask_smollm2(address: str) -> None:
    name = f"{NAMESPACE}.smollm2"
    client = openai.OpenAI(base_url=f"http://{address}/v1", api_key="none")
    say(f"\n==> openai: client.chat.completions.create(model={name!r}, messages={QUESTION}, stream=True)")
    stream = client.chat.completions.create(model=name, messages=QUESTION, temperature=0, max_tokens=32, stream=True)
    sys.stdout.write("    ")
    for chunk in stream:
        if chunk.choices:
            sys.stdout.write(chunk.choices[0].delta.content or "")
            sys.stdout.flush()
    say()


def _how_to_go_on(kubectl: Kubectl) -> None:
    say(f"""
Everything is still running. Look around:

  export KUBECONFIG={kubectl.kubeconfig}
  kubectl get nmd,deployments,pods -n {NAMESPACE}
  kubectl describe nmd smollm2 -n {NAMESPACE}
  kubectl port-forward -n {RELEASE_NAMESPACE} service/{GATEWAY} 8080:80
  curl localhost:8080/v1/models

Clean up: make clean""")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
