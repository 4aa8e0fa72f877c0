"""The real models are resolved to what they are, from the folders that demo and end-to-end tests serve."""

import json
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from model_runtime import resolve
from model_runtime.manifest import parse_sums
from tests.runtime.models import minilm_folder, smollm2_folder, smollm2_gguf_folder

MODELS = [
    (
        minilm_folder,
        {"task": "Embedding", "architecture": "BertModel", "dtype": "float32", "files": 9, "weightsBytes": 90_261_504},
    ),
    (
        smollm2_folder,
        {
            "task": "Chat",
            "architecture": "LlamaForCausalLM",
            "dtype": "bfloat16",
            "files": 5,
            "weightsBytes": 538_060_032,
        },
    ),
    (
        smollm2_gguf_folder,
        {
            "task": "Chat",
            "architecture": "LlamaForCausalLM",
            "dtype": "bfloat16",
            "files": 1,
            "bytes": 98_362_432,
            "weightsBytes": 538_060_032,
            "kvBytesPerToken": 46_080,
            "contextLength": 8192,
        },
    ),
]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep the tests' output quiet."""

    def copyfile(self, source: object, outputfile: object) -> None:
        """Send the file until the client, which wants no more than a header of it, hangs up."""
        try:
            super().copyfile(source, outputfile)
        except OSError:
            self.close_connection = True


@pytest.mark.parametrize(("make", "facts"), MODELS, ids=["minilm", "smollm2", "smollm2 as GGUF"])
def test_a_real_model(make: Callable[[], Path], facts: dict[str, object], tmp_path: Path) -> None:
    folder = make()
    log = tmp_path / "log"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            code = resolve.main(["--uri", f"http://127.0.0.1:{server.server_port}", "--termination-log", str(log)])
        finally:
            server.shutdown()
            thread.join()
    report = json.loads(log.read_text())
    assert code == 0
    assert {name: report[name] for name in facts} == facts


def test_every_file_is_in_the_sums() -> None:
    folder = smollm2_folder()
    listed = parse_sums((folder / "SHA256SUMS").read_text())
    assert set(listed) | {"SHA256SUMS"} == {path.name for path in folder.iterdir()}
