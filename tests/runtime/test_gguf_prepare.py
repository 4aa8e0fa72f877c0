"""A GGUF model from its source to the disk: what resolve says of it, what lies beside it, what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from model_runtime import prepare, resolve
from model_runtime.engines import llama
from model_runtime.engines.kv_cache import allocate_cache, blocks_for
from model_runtime.engines.placement import Placement
from model_runtime.engines.tokenizer import load_tokenizer
from model_runtime.errors import InvalidModel, ModelRuntimeError, SourceNotFound, UnsupportedArchitecture
from model_runtime.selection import select
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.runtime.tiny_gguf import tiny_gguf
from tests.stack.webserver import WebServer, serving

TINY = {"model-Q8_0.gguf": tiny_gguf(), "README.md": b"# Tiny"}
CPU = Placement(torch.device("cpu"), torch.float32)
DOCUMENTS = {"config.json", "tokenizer.json", "tokenizer_config.json"}


def run(files: Mapping[str, bytes], folder: Path, *arguments: str, task: str = "Chat") -> tuple[int, dict[str, object]]:
    """Resolve and, where that went well, prepare; return the exit code and the last report."""
    log = folder / "termination-log"
    with serving(WebServer({f"/{path}": content for path, content in with_sums(files).items()})) as web:
        source = ("--uri", web.url, "--termination-log", str(log), *arguments)
        if code := resolve.main(source):
            return code, json.loads(log.read_text())
        digest = json.loads(log.read_text())["digest"]
        folders = ("--weights", str(folder / "weights"), "--repository", str(folder / "repository"))
        pinned = (*source, "--revision", digest, "--digest", digest, "--served-name", "tiny", "--task", task)
        return prepare.main([*pinned, *folders]), json.loads(log.read_text())


def test_the_file_and_its_documents_are_there_and_the_engine_runs_them(tmp_path: Path) -> None:
    code, report = run(TINY, tmp_path)
    assert (code, report["files"]) == (0, 1)
    weights = tmp_path / "weights"
    assert {path.name for path in weights.iterdir()} == {"model-Q8_0.gguf"} | DOCUMENTS
    model, tokens = llama.load(weights, CPU), load_tokenizer(weights).encode("he he")
    blocks = blocks_for(len(tokens))
    cache = allocate_cache(model.config, model.placement, blocks)
    assert llama.forward(model, [llama.Span(tokens, 0, list(range(blocks)))], cache).isfinite().all()
    assert (tmp_path / "repository" / "tiny" / "config.pbtxt").exists()


def test_a_restarted_container_writes_the_documents_anew(tmp_path: Path) -> None:
    run(TINY, tmp_path)
    first = {path.name: path.read_bytes() for path in (tmp_path / "weights").iterdir()}
    (tmp_path / "weights" / "config.json").write_text("half of")
    assert run(TINY, tmp_path)[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "weights").iterdir()} == first


def test_a_document_in_its_place_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").symlink_to("/etc/passwd")
    code, report = run(TINY, tmp_path)
    assert (code, report["reason"]) == (3, "UnsafePath")


def test_documents_of_the_repository_are_kept_but_config_json(tmp_path: Path) -> None:
    config = {"config.json": b'{"architectures": ["Other"], "auto_map": {}}'}
    template = {"tokenizer_config.json": b'{"chat_template": "{{ messages[0].content }}"}'}
    assert run({**TINY, **config, **template}, tmp_path)[0] == 0
    weights = tmp_path / "weights"
    assert (weights / "tokenizer_config.json").read_bytes() == template["tokenizer_config.json"]
    assert json.loads((weights / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]


def test_safetensors_win_over_gguf(tmp_path: Path) -> None:
    assert run({**chat_model(), **TINY}, tmp_path)[0] == 0
    assert "model-Q8_0.gguf" not in {path.name for path in (tmp_path / "weights").iterdir()}


def test_a_model_without_a_template_is_for_completion(tmp_path: Path) -> None:
    files = {"m.gguf": tiny_gguf({"tokenizer.chat_template": None})}
    assert run(files, tmp_path, task="Completion")[0] == 0
    code, report = run(files, tmp_path)
    assert (code, report["reason"]) == (3, "InvalidModel")


SELECTED = [
    ("the file alone", ["m.gguf"], ["m.gguf"]),
    (
        "what may lie beside it",
        ["m.gguf", "tokenizer.json", "tokenizer_config.json", "config.json", "README.md", "vocab.json", "sub/n.gguf"],
        ["m.gguf", "tokenizer.json", "tokenizer_config.json"],
    ),
    ("safetensors before GGUF", ["m.gguf", "model.safetensors", "config.json", "tokenizer.json"], None),
]


@pytest.mark.parametrize(("sentence", "paths", "selected"), SELECTED, ids=[case[0] for case in SELECTED])
def test_the_files_of_a_gguf_model(sentence: str, paths: list[str], selected: list[str] | None) -> None:
    wanted = selected or sorted(set(paths) - {"m.gguf"})
    assert list(select(paths)) == wanted


PARTS = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]
NOT_SELECTED: list[tuple[str, list[str], str | None, type[ModelRuntimeError], str]] = [
    (
        "several files",
        ["b.gguf", "a.gguf"],
        None,
        InvalidModel,
        "2 GGUF files: name one of them in spec.model.file: a.gguf, b.g",
    ),
    ("very many files", [f"{n:03}.gguf" for n in range(99)], None, InvalidModel, "006.gguf, 007.gguf and 91 more"),
    ("only parts", PARTS, None, UnsupportedArchitecture, "m-00001-of-00002.gguf: one of several parts"),
    (
        "a part by its name",
        [*PARTS, "n.gguf"],
        PARTS[1],
        UnsupportedArchitecture,
        "m-00002-of-00002.gguf: one of several",
    ),
    ("a name that is not there", ["a.gguf"], "b.gguf", SourceNotFound, "b.gguf: no such file: there is a.gguf"),
    ("a name beside safetensors", ["model.safetensors"], "b.gguf", SourceNotFound, "there is no GGUF"),
]


@pytest.mark.parametrize(
    ("sentence", "paths", "file", "reason", "says"), NOT_SELECTED, ids=[case[0] for case in NOT_SELECTED]
)
def test_what_is_not_one_file_is_refused(
    sentence: str, paths: list[str], file: str | None, reason: type[ModelRuntimeError], says: str
) -> None:
    with pytest.raises(reason) as caught:
        select(paths, file)
    assert says in str(caught.value)


def test_one_of_several_files_is_served_by_its_name(tmp_path: Path) -> None:
    files = {"Q4.gguf": b"never read", "Q8.gguf": tiny_gguf(), **chat_model()}
    assert run(files, tmp_path, "--file", "Q8.gguf")[0] == 0
    assert {path.name for path in (tmp_path / "weights").iterdir() if path.suffix == ".gguf"} == {"Q8.gguf"}


def test_a_name_that_is_no_file_of_the_folder_is_refused(tmp_path: Path) -> None:
    code, report = run(TINY, tmp_path, "--file", "../m.gguf")
    assert (code, report["reason"]) == (3, "InvalidArgument")
