"""Every repository of the corpus, through both commands over a real connection: bad ones refused, good ones passed.

A row goes into the module that its reason belongs to; a new module is added to BAD here.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
import torch

from model_runtime import prepare, resolve
from model_runtime.engines import bert, classifier, llama, tensor_model
from model_runtime.engines.placement import Placement
from model_runtime.errors import ModelRuntimeError
from model_runtime.manifest import FileEntry, Manifest
from model_runtime.selection import select
from model_runtime.verify import Task
from tests.runtime.corpus import (
    good,
    of_code,
    of_config,
    of_documents,
    of_formats,
    of_gguf,
    of_headers,
    of_paths,
    of_tensor_models,
    of_tensors,
    of_text,
)
from tests.runtime.corpus.rows import Bad, Files, Good
from tests.stack.webserver import WebServer, serving

BAD = [
    *of_code.BAD,
    *of_config.BAD,
    *of_documents.BAD,
    *of_formats.BAD,
    *of_gguf.BAD,
    *of_headers.BAD,
    *of_paths.BAD,
    *of_tensor_models.BAD,
    *of_tensors.BAD,
    *of_text.BAD,
]
GOOD = [*good.GOOD, *of_gguf.GOOD, *of_tensor_models.GOOD, *of_text.GOOD]
LOADS: Mapping[Task, Callable[[Path, Placement], object]] = {
    Task.CHAT: llama.load,
    Task.COMPLETION: llama.load,
    Task.EMBEDDING: bert.load,
    Task.CLASSIFICATION: classifier.load,
    Task.TENSOR: tensor_model.load,
}
Report = tuple[int, dict[str, object]]
CPU = Placement(torch.device("cpu"), torch.float32)


def with_sums(files: Files) -> dict[str, bytes]:
    """The files by URL paths, and their SHA256SUMS."""
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in files.items())
    return {f"/{quote(path)}": content for path, content in files.items()} | {"/SHA256SUMS": sums.encode()}


def digest_of(files: Files) -> str:
    """What resolve would answer; any digest does where it refuses before it knows one."""
    try:
        entries = [FileEntry(p, len(files[p]), f"sha256:{hashlib.sha256(files[p]).hexdigest()}") for p in select(files)]
    except ModelRuntimeError:
        return f"sha256:{'0' * 64}"
    return Manifest.of(entries).digest()


def run(command: Callable[[Sequence[str]], int], log: Path, *arguments: str) -> Report:
    code = command([*arguments, "--termination-log", str(log)])
    return code, json.loads(log.read_text())


def run_both(files: Files, task: Task, folder: Path) -> tuple[Report, Report]:
    """Resolve and prepare over a connection; returns both reports."""
    digest = digest_of(files)
    with serving(WebServer(with_sums(files))) as web:
        source = ("--uri", web.url, "--task", task)
        pinned = (*source, "--revision", digest, "--digest", digest, "--served-name", "m")
        folders = ("--weights", str(folder / "weights"), "--repository", str(folder / "repository"))
        resolved = run(resolve.main, folder / "resolved", *source)
        return resolved, run(prepare.main, folder / "prepared", *pinned, *folders)


@pytest.mark.parametrize("row", BAD, ids=lambda row: row.sentence)
def test_a_bad_repository_is_refused_by_both_with_the_same_words(row: Bad, tmp_path: Path) -> None:
    resolved, prepared = run_both(row.files(), row.task, tmp_path)
    assert resolved == prepared
    code, report = resolved
    assert (code, report["reason"]) == (3, row.reason.__name__), report["message"]
    assert row.says in str(report["message"])
    assert len(str(report["message"])) < 400
    assert str(report["message"]).isprintable()
    assert not (tmp_path / "repository").exists()


@pytest.mark.parametrize("row", GOOD, ids=lambda row: row.sentence)
def test_a_good_repository_passes_both_and_is_loaded(row: Good, tmp_path: Path) -> None:
    (code, resolved), (prepare_code, prepared) = run_both(row.files(), row.task, tmp_path)
    assert (code, prepare_code) == (0, 0), (resolved, prepared)
    assert resolved["task"] == row.task
    assert (tmp_path / "repository" / "m" / "config.pbtxt").exists()
    LOADS[row.task](tmp_path / "weights", CPU)


def test_the_corpus_is_as_large_as_it_should_be_and_names_each_row_once() -> None:
    assert len(BAD) >= 60
    assert len(GOOD) >= 14
    names = [row.sentence for row in (*BAD, *GOOD)]
    assert len(set(names)) == len(names)
