"""The commands against a hub on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.fetch.command import run
from tests.runtime.fetch.tiny import chat_model
from tests.stack.hubserver import COMMIT, Hub, HubHandler
from tests.stack.webserver import Fault, serving


@pytest.fixture
def hub() -> Iterator[Hub]:
    files = {**chat_model(), "pytorch_model.bin": b"pickle", "train_script.py": b"import os"}
    with serving(Hub({f"/acme/tiny/{path}": content for path, content in files.items()}), HubHandler) as server:
        assert isinstance(server, Hub)
        yield server


def resolve(hub: Hub, tmp_path: Path, *arguments: str, uri: str = "hf://acme/tiny") -> tuple[int, dict[str, object]]:
    return run(tmp_path, "resolve", "--uri", uri, "--endpoint", hub.url, *arguments)


def test_a_moving_name_is_pinned_to_its_commit(hub: Hub, tmp_path: Path) -> None:
    code, report = resolve(hub, tmp_path, "--revision", "v1")
    assert code == 0
    assert report["revision"] == COMMIT
    assert report["files"] == 4
    assert report["bytes"] == sum(map(len, chat_model().values()))
    assert report["task"] == "Chat"


def test_the_endpoint_may_come_from_the_environment(hub: Hub, tmp_path: Path) -> None:
    code, report = run(tmp_path, "resolve", "--uri", "hf://acme/tiny", HF_ENDPOINT=hub.url)
    assert (code, report["revision"]) == (0, COMMIT)


def prepare(hub: Hub, tmp_path: Path, digest: str, *arguments: str) -> tuple[int, dict[str, object]]:
    source = ("--uri", "hf://acme/tiny", "--endpoint", hub.url, "--revision", COMMIT, "--digest", digest)
    serving = ("--task", "Chat", "--served-name", "tiny")
    folders = ("--weights", str(tmp_path / "weights"), "--repository", str(tmp_path / "repository"))
    return run(tmp_path, "prepare", *source, *serving, *folders, *arguments)


def test_the_pinned_commit_is_prepared_without_code_or_pickle(hub: Hub, tmp_path: Path) -> None:
    _, resolved = resolve(hub, tmp_path)
    code, report = prepare(hub, tmp_path, str(resolved["digest"]))
    assert (code, report["files"]) == (0, 4)
    for path, content in chat_model().items():
        assert (tmp_path / "weights" / path).read_bytes() == content
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == sorted(chat_model())
    assert (tmp_path / "repository" / "tiny" / "config.pbtxt").exists()


@pytest.mark.parametrize("path", ["model.safetensors", "tokenizer.json"], ids=["by sha256", "by git's blob id"])
def test_a_flipped_byte_is_a_mismatch(hub: Hub, tmp_path: Path, path: str) -> None:
    _, resolved = resolve(hub, tmp_path)
    hub.faults[f"/acme/tiny/{path}"] = Fault(flip_byte=1)
    code, report = prepare(hub, tmp_path, str(resolved["digest"]))
    assert (code, report["reason"]) == (3, "DigestMismatch")
    assert path in str(report["message"])


def test_the_token_goes_to_the_hub_and_not_to_its_storage(hub: Hub, tmp_path: Path) -> None:
    hub.token = "hf_secret"
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "token").write_text("hf_secret\n")
    (secret / "hosts").write_text("127.0.0.1\n")
    assert resolve(hub, tmp_path)[1]["reason"] == "SourceUnauthorized"
    assert resolve(hub, tmp_path, "--credentials", str(secret))[0] == 0
    storage = [request.authorization for request in hub.requests if request.path == "/acme/tiny/model.safetensors"]
    assert storage
    assert set(storage) == {None}


CASES = [
    ("a repository that is not there or is private", "hf://acme/other", (), "SourceUnauthorized"),
    ("a revision that is not there", "hf://acme/tiny", ("--revision", "v9"), "SourceNotFound"),
    ("a URI without an organization", "hf://tiny", (), "InvalidArgument"),
    ("another digest", "hf://acme/tiny", ("--digest", f"sha256:{'0' * 64}"), "DigestMismatch"),
]


@pytest.mark.parametrize(("uri", "arguments", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_fault_has_its_reason(uri: str, arguments: tuple[str, ...], reason: str, hub: Hub, tmp_path: Path) -> None:
    code, report = resolve(hub, tmp_path, *arguments, uri=uri)
    assert (code, report["reason"]) == (3, reason)


def test_a_gated_repository_says_that_access_must_be_granted(hub: Hub, tmp_path: Path) -> None:
    hub.gated = True
    code, report = resolve(hub, tmp_path)
    assert (code, report["reason"]) == (3, "SourceUnauthorized")
    assert "granted" in str(report["message"])
