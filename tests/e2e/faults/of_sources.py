"""What is wrong with the source of a model, or with the way to it: the resolve Job finds it, and nothing is made."""

from contextlib import ExitStack

from tests.e2e.faults.scene import MINILM, Fault, Scene, Since, Step, named
from tests.stack.credentials import model_credentials
from tests.stack.hub import ASTRAY
from tests.stack.kubectl import Object

WRONG_DIGEST = f"sha256:{'0' * 64}"


def _applied(name: str, uri: str, **model: object) -> Step:
    def inject(scene: Scene, undo: ExitStack) -> None:
        scene.kubectl.apply(scene.model(scene.running, name, uri, model=dict(model)))

    return inject


def _fault(name: str, reason: str, words: str, uri: str, **model: object) -> Fault:
    return Fault(name, reason, words, _applied(name, uri, **model), condition="Resolved", since=Since.STARTED)


def _wrong_token(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.apply(model_credentials("wrong-token", scene.running, hosts="*.svc", token="wrong"))
    _applied("wrong-token", "hf://acme/assistant", credentials={"secretName": "wrong-token"})(scene, undo)


def _no_key(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.apply(model_credentials("no-key", scene.running, password="x"))
    _applied("no-key", "hf://acme/assistant", credentials={"secretName": "no-key"})(scene, undo)


def _other_type(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.apply({**named("v1", "Secret", "other-type", scene.running), "stringData": {"token": "x"}})
    _applied("other-type", "hf://acme/assistant", credentials={"secretName": "other-type"})(scene, undo)


def _other_hosts(scene: Scene, undo: ExitStack) -> None:
    scene.kubectl.apply(model_credentials("other-hosts", scene.running, hosts="huggingface.co", token="x"))
    _applied("other-hosts", "hf://acme/assistant", credentials={"secretName": "other-hosts"})(scene, undo)


def _astray(scene: Scene, undo: ExitStack) -> None:
    _applied("astray", f"{scene.hub.url}{ASTRAY}")(scene, undo)


def _other_authority(scene: Scene, undo: ExitStack) -> None:
    bundle: Object = {
        **named("v1", "ConfigMap", "other-roots", scene.running),
        "data": {"ca.crt": scene.other_authority},
    }
    scene.kubectl.apply(bundle)
    _applied("other-authority", MINILM, source={"caBundle": {"configMapName": "other-roots"}})(scene, undo)


def _closed_port(scene: Scene, undo: ExitStack) -> None:
    _applied("closed-port", f"https://{scene.hub_pod()['status']['podIP']}:9/minilm")(scene, undo)


def _no_sums(scene: Scene, undo: ExitStack) -> None:
    _applied("no-sums", f"{scene.hub.url}/org/without-sums")(scene, undo)


FAULTS = {
    "a repository that is not there": _fault("not-there", "SourceNotFound", "org/nothing", "hf://org/nothing"),
    "a token that the hub refuses": Fault(
        "wrong-token", "SourceUnauthorized", "acme/assistant", _wrong_token, condition="Resolved", since=Since.STARTED
    ),
    "a Secret that is not there": _fault(
        "no-secret",
        "CredentialsMissing",
        "Secret nobody-made-it is not there",
        "hf://acme/assistant",
        credentials={"secretName": "nobody-made-it"},
    ),
    "a Secret without the key": Fault(
        "no-key",
        "CredentialsMissing",
        "Secret no-key has no key 'token', only password",
        _no_key,
        condition="Resolved",
        since=Since.STARTED,
    ),
    "a Secret of another type": Fault(
        "other-type", "CredentialsRefused", "Secret other-type of type Opaque", _other_type
    ),
    "a Secret that names other hosts": Fault(
        "other-hosts",
        "CredentialsRefused",
        "Secret other-hosts may not be sent to hub.",
        _other_hosts,
        condition="Resolved",
        since=Since.STARTED,
    ),
    "a private address that no policy opens": _fault(
        "private", "EgressRefused", "allowedCIDRs", "https://192.168.77.7/minilm"
    ),
    "the address of the API server, by its name": _fault(
        "api-server", "EgressRefused", "the cluster's API server", "https://kubernetes.default.svc/minilm"
    ),
    "an allowed host that redirects to a private address": Fault(
        "astray", "EgressRefused", "192.168.77.7", _astray, condition="Resolved", since=Since.STARTED
    ),
    "a ConfigMap of certificates that is not there": _fault(
        "no-bundle",
        "CaBundleMissing",
        "ConfigMap no-roots (key ca.crt) is not there",
        MINILM,
        source={"caBundle": {"configMapName": "no-roots"}},
    ),
    "a port where nobody listens": Fault(
        "closed-port", "SourceUnreachable", "refused", _closed_port, condition="Resolved", since=Since.STARTED
    ),
    "a certificate of an authority that is not trusted": Fault(
        "other-authority",
        "SourceUnreachable",
        "CERTIFICATE_VERIFY_FAILED",
        _other_authority,
        condition="Resolved",
        since=Since.STARTED,
    ),
    "another digest than the source has": _fault(
        "wrong-digest", "DigestMismatch", f"expected {WRONG_DIGEST}", MINILM, digest=WRONG_DIGEST
    ),
    "a web server's folder without SHA256SUMS": Fault(
        "no-sums", "DigestMissing", "SHA256SUMS is not there", _no_sums, condition="Resolved", since=Since.STARTED
    ),
    "an architecture that nothing here runs": _fault(
        "another-architecture", "UnsupportedArchitecture", "Qwen9ForCausalLM", "hf://org/qwen9"
    ),
    "a tensor header that is broken": _fault("broken-header", "InvalidHeader", "model.safetensors", "hf://org/broken"),
    "weights that are pickled": _fault("pickled", "PickledWeights", "pytorch_model.bin", "hf://org/pickled"),
}
