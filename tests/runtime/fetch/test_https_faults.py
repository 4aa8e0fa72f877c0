"""Each thing that goes wrong with a web server has its reason, its exit code, and leaves nothing half-written."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from model_runtime import errors
from model_runtime.arguments import SourceArguments
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience
from model_runtime.prepare import prepare
from model_runtime.resolve import resolve
from model_runtime.serving import Serving
from model_runtime.verify import Task
from tests.runtime.fetch.tiny import chat_model, safetensors, with_sums
from tests.stack.webserver import Fault, WebServer

WEIGHTS = "/model/model.safetensors"
SUMS = "/model/SHA256SUMS"
Spoil = Callable[[WebServer], None]


def arguments(web: WebServer, digest: str | None = None) -> SourceArguments:
    return SourceArguments(uri=f"{web.url}/model", revision=digest, digest=digest)


def serving(folder: Path) -> Serving:
    return Serving("tiny", Task.CHAT, PurePosixPath(folder / "weights"), 8, 5000)


def fault(path: str, **fields: object) -> Spoil:
    def spoil(web: WebServer) -> None:
        web.faults[path] = Fault(**fields)

    return spoil


def replaced(**files: bytes | None) -> Spoil:
    """Serve other files, under right digests; the names' dots are written as `__`."""

    def spoil(web: WebServer) -> None:
        changes = {name.replace("__", "."): content for name, content in files.items()}
        model = {path: content for path, content in {**chat_model(), **changes}.items() if content is not None}
        web.files = {f"/model/{path}": content for path, content in with_sums(model).items()}

    return spoil


def sums(text: str) -> Spoil:
    def spoil(web: WebServer) -> None:
        web.files[SUMS] = text.encode()

    return spoil


def config(**fields: object) -> bytes:
    return json.dumps({"architectures": ["LlamaForCausalLM"], **fields}).encode()


@dataclass(frozen=True)
class Case:
    sentence: str
    spoil: Spoil
    error: type[errors.ModelRuntimeError]
    says: str


RESOLVE_CASES = [
    Case("without SHA256SUMS there are no digests", fault(SUMS, status=404), errors.DigestMissing, "sha256sum"),
    Case("a 401 wants credentials", fault(SUMS, status=401), errors.SourceUnauthorized, "401"),
    Case("a 403 refuses credentials", fault(SUMS, status=403), errors.SourceUnauthorized, "403"),
    Case("a 500 that lasts is unreachable", fault(SUMS, status=500), errors.SourceUnreachable, "after 6 attempts"),
    Case("a file that is listed but gone", fault(WEIGHTS, status=404), errors.SourceNotFound, "model.safetensors"),
    Case("a size that is not told", fault(WEIGHTS, no_length=True), errors.SourceUnreachable, "Content-Length"),
    Case(
        "a flipped byte in config.json", fault("/model/config.json", flip_byte=2), errors.DigestMismatch, "config.json"
    ),
    Case("SHA256SUMS that is a web page", sums("<html>"), errors.InvalidModel, "SHA256SUMS line 1"),
    Case("a path that leaves the folder", sums(f"{'0' * 64}  ../etc/passwd\n"), errors.UnsafePath, "../etc/passwd"),
    Case(
        "only pickled weights", replaced(model__safetensors=None, model__bin=b"x"), errors.PickledWeights, "model.bin"
    ),
    Case("a GGUF file that is none", replaced(model__safetensors=None, m__gguf=b"x" * 9), errors.InvalidHeader, "GGUF"),
    Case("no weights", replaced(model__safetensors=None), errors.InvalidModel, "no weights"),
    Case("no config.json", replaced(config__json=None), errors.InvalidModel, "config.json"),
    Case("remote code", replaced(config__json=config(auto_map={"AutoModel": "x.Y"})), errors.RemoteCode, "auto_map"),
    Case(
        "an architecture without engine",
        replaced(config__json=config(architectures=["MambaForCausalLM"])),
        errors.UnsupportedArchitecture,
        "MambaForCausalLM: supported are BertForSequenceClassification, BertModel, ",
    ),
    Case(
        "weights of another dtype",
        replaced(model__safetensors=safetensors({"w": ("I8", [2], b"ab")})),
        errors.UnsupportedArchitecture,
        "I8",
    ),
    Case("a header that lies", replaced(model__safetensors=b"\xff" * 64), errors.InvalidHeader, "header of"),
    Case("weights shorter than their header", replaced(model__safetensors=b"abc"), errors.InvalidHeader, "3 bytes"),
]


@pytest.mark.parametrize("case", RESOLVE_CASES, ids=lambda case: case.sentence)
def test_resolve_says_what_is_wrong(case: Case, web: WebServer, patience: Patience) -> None:
    case.spoil(web)
    with pytest.raises(case.error) as raised:
        resolve(arguments(web), Task.AUTO, patience)
    assert type(raised.value) is case.error
    assert case.says in str(raised.value)


def test_a_closed_port_is_unreachable(patience: Patience) -> None:
    with pytest.raises(errors.SourceUnreachable, match="NewConnectionError"):
        resolve(SourceArguments(uri="http://127.0.0.1:1/model"), Task.AUTO, patience)


PREPARE_CASES = [
    Case("a flipped byte", fault(WEIGHTS, flip_byte=70_000), errors.DigestMismatch, "model.safetensors"),
    Case("more bytes than listed", fault(WEIGHTS, append=b"more"), errors.DigestMismatch, "more than"),
    Case("every answer cut before a byte", fault(WEIGHTS, cut_at=0), errors.SourceUnreachable, "after 6 attempts"),
    Case("every answer cut at the same byte", fault(WEIGHTS, cut_at=90_000), errors.SourceUnreachable, "6 attempts"),
]


@pytest.mark.parametrize("case", PREPARE_CASES, ids=lambda case: case.sentence)
def test_prepare_leaves_no_model_and_no_repository(
    case: Case, web: WebServer, patience: Patience, progress: Progress, tmp_path: Path
) -> None:
    digest = str(resolve(arguments(web), Task.AUTO, patience)["digest"])
    case.spoil(web)
    with pytest.raises(case.error) as raised:
        prepare(arguments(web, digest), serving(tmp_path), tmp_path / "repository", patience, progress)
    assert case.says in str(raised.value)
    assert not (tmp_path / "weights" / "model.safetensors").exists()
    assert not (tmp_path / "repository").exists()
    if case.error is errors.DigestMismatch:
        assert not list((tmp_path / "weights").glob("model.safetensors.part"))


def test_another_model_under_the_same_uri_is_refused(
    web: WebServer, patience: Patience, progress: Progress, tmp_path: Path
) -> None:
    digest = str(resolve(arguments(web), Task.AUTO, patience)["digest"])
    replaced(tokenizer__json=b'{"other": 1}')(web)
    with pytest.raises(errors.DigestMismatch, match=digest):
        prepare(arguments(web, digest), serving(tmp_path), tmp_path / "repository", patience, progress)
    assert not (tmp_path / "weights").exists()
