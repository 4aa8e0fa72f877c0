"""The command line of prepare: what lies on the disk afterwards, again after a restart, and what is refused."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from model_runtime import prepare, resolve
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.stack.webserver import WebServer, serving


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving(WebServer({f"/{path}": content for path, content in with_sums(chat_model()).items()})) as server:
        yield server


def run(web: WebServer, tmp_path: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    log = tmp_path / "termination-log"
    source = ("--uri", web.url, "--termination-log", str(log))
    assert resolve.main(source) == 0
    digest = json.loads(log.read_text())["digest"]
    pinned = (*source, "--revision", digest, "--digest", digest)
    folders = ("--weights", str(tmp_path / "weights"), "--repository", str(tmp_path / "repository"))
    code = prepare.main([*pinned, "--task", "Chat", "--served-name", "tiny", *folders, *arguments])
    return code, json.loads(log.read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_weights_and_repository_are_there(web: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run(web, tmp_path)
    assert (code, report["files"]) == (0, 4)
    assert contents(tmp_path / "weights") == chat_model()
    assert set(contents(tmp_path / "repository")) == {"tiny/config.pbtxt", "tiny/1/model.py"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["repository", "termination-log", "weights"]
    assert "fetched 0.5 of 0.5 MB" in capsys.readouterr().out


def test_triton_is_told_what_the_flags_say(web: WebServer, tmp_path: Path) -> None:
    flags = ("--dtype", "BFloat16", "--max-batch-size", "3", "--max-queue-size", "7", "--kv-cache-bytes", "4096")
    code, report = run(web, tmp_path, *flags, "--queue-timeout-microseconds", "250")
    assert code == 0
    config = text_format.Parse((tmp_path / "repository" / "tiny" / "config.pbtxt").read_text(), ModelConfig())
    assert {name: value.string_value for name, value in config.parameters.items()} == {
        "weights": str(tmp_path / "weights"),
        "task": "Chat",
        "dtype": "BFloat16",
        "digest": report["digest"],
        "max_active": "3",
        "max_queued": "7",
        "queue_timeout_microseconds": "250",
        "kv_cache_bytes": "4096",
    }


def test_vllm_is_given_the_verified_folder(web: WebServer, tmp_path: Path) -> None:
    arguments = ("--engine", "vllm", "--vllm-arguments", '{"tensor_parallel_size": 2}', "--alias", "team.tiny")
    assert run(web, tmp_path, *arguments)[0] == 0
    written = contents(tmp_path / "repository")
    assert json.loads(written["tiny/1/model.json"]) == {"model": str(tmp_path / "weights"), "tensor_parallel_size": 2}
    assert set(written) == {"tiny/config.pbtxt", "tiny/1/model.json", "team.tiny/config.pbtxt", "team.tiny/1/.ensemble"}


def test_a_restarted_container_ends_the_same(web: WebServer, tmp_path: Path) -> None:
    run(web, tmp_path)
    first = contents(tmp_path)
    (tmp_path / "weights" / "config.json").write_text("damaged")
    assert run(web, tmp_path)[0] == 0
    assert contents(tmp_path) == first


def test_a_new_name_replaces_the_repository(web: WebServer, tmp_path: Path) -> None:
    run(web, tmp_path)
    run(web, tmp_path, "--served-name", "other")
    assert [path.name for path in (tmp_path / "repository").iterdir()] == ["other"]


def test_a_file_that_the_manifest_does_not_name_is_refused(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "evil.safetensors").write_bytes(b"x")
    code, report = run(web, tmp_path)
    assert (code, report["reason"]) == (3, "UnsafeFile")
    assert not (tmp_path / "repository").exists()


def test_a_link_to_a_folder_is_refused(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "link").symlink_to("/etc")
    assert run(web, tmp_path)[1]["reason"] == "UnsafePath"


def test_a_progress_that_cannot_be_served_harms_nothing(
    web: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(web, tmp_path, "--progress-port", str(port))[0] == 0
    assert f"the progress is not served on port {port}" in capsys.readouterr().out


INVALID = [
    ("a served name that leaves the folder", ("--served-name", "../x"), "--served-name"),
    ("a batch size that is no number", ("--max-batch-size", "many"), "--max-batch-size"),
    ("a batch of nothing", ("--max-batch-size", "0"), "--max-batch-size 0"),
    ("a task that is not resolved", ("--task", "Auto"), "--task Auto"),
    ("no digest", ("--digest", ""), "--digest"),
    ("no revision", ("--revision", ""), "--revision"),
    ("a dtype that is none", ("--dtype", "float32"), "--dtype"),
    ("a queue for nobody", ("--max-queue-size", "0"), "--max-queue-size 0"),
    ("arguments of vLLM that are no JSON", ("--engine", "vllm", "--vllm-arguments", "{x"), "--vllm-arguments"),
    ("arguments of vLLM that are a list", ("--engine", "vllm", "--vllm-arguments", "[1]"), "--vllm-arguments"),
    ("an alias that leaves the folder", ("--alias", "a/b"), "--alias 'a/b'"),
    ("a port that is none", ("--progress-port", "70000"), "--progress-port"),
]


@pytest.mark.parametrize(("sentence", "arguments", "says"), INVALID, ids=[case[0] for case in INVALID])
def test_a_wrong_argument_names_its_flag(
    sentence: str, arguments: tuple[str, ...], says: str, web: WebServer, tmp_path: Path
) -> None:
    code, report = run(web, tmp_path, *arguments)
    assert (code, report["reason"]) == (3, "InvalidArgument")
    assert says in str(report["message"])
    assert not (tmp_path / "weights").exists()


def test_the_model_must_be_for_the_task(web: WebServer, tmp_path: Path) -> None:
    code, report = run(web, tmp_path, "--task", "Embedding")
    assert (code, report["reason"]) == (3, "UnsupportedArchitecture")
    assert not (tmp_path / "repository").exists()
