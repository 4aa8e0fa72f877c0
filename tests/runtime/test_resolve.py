"""The command line of resolve: the termination message, the exit codes, and the messages that name the flag."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_runtime import errors, resolve, termination
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.stack.webserver import WebServer, serving


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving(WebServer({f"/{path}": content for path, content in with_sums(chat_model()).items()})) as server:
        yield server


def run(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    log = tmp_path / "termination-log"
    code = resolve.main([*arguments, "--termination-log", str(log)])
    return code, json.loads(log.read_text())


def test_the_answer_is_on_stdout_and_in_the_termination_log(
    web: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run(tmp_path, "--uri", web.url, "--task", "Completion")
    assert code == 0
    assert report == {
        "revision": report["digest"],
        "digest": report["digest"],
        "bytes": sum(map(len, chat_model().values())),
        "files": 4,
        "task": "Completion",
        "architecture": "LlamaForCausalLM",
        "dtype": "bfloat16",
        "weightsBytes": 1062912,
        "kvBytesPerToken": 16,
        "contextLength": 64,
    }
    assert json.loads(capsys.readouterr().out) == report


def test_the_weights_themselves_are_not_fetched(web: WebServer, tmp_path: Path) -> None:
    run(tmp_path, "--uri", web.url)
    assert sorted(request.path for request in web.requests if request.method == "GET") == [
        "/SHA256SUMS",
        "/config.json",
        "/model.safetensors",
        "/tokenizer.json",
        "/tokenizer_config.json",
    ]


INVALID = [
    ("no URI", (), "--uri"),
    ("an unknown scheme", ("--uri", "ftp://host/x"), "--uri 'ftp://host/x': expected hf://"),
    ("a URI without a host", ("--uri", "https:///x"), "--uri"),
    ("a URI with a password", ("--uri", "https://user:secret@host/x"), "--uri"),
    ("a URI with a query", ("--uri", "https://host/x?y"), "--uri"),
    ("a URI that is no URI", ("--uri", "https://[::1"), "--uri"),
    ("a digest of another form", ("--uri", "hf://a/b", "--digest", "sha256:1"), "--digest 'sha256:1'"),
    ("an endpoint that is no URL", ("--uri", "s3://a/b", "--endpoint", "host:9000"), "--endpoint 'host:9000'"),
    ("credentials that are not there", ("--uri", "hf://a/b", "--credentials", "/none"), "--credentials /none"),
    ("an unknown task", ("--uri", "hf://a/b", "--task", "Guess"), "--task"),
    ("an unknown flag", ("--uri", "hf://a/b", "--fast"), "--fast"),
]


def test_a_secret_that_is_not_there_is_named_and_looked_for_again(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    code, report = run(
        tmp_path, "--uri", "hf://a/b", "--credentials", str(folder), "--credentials-name", "Secret hub-token"
    )
    assert code == 1
    assert report == {"reason": "CredentialsMissing", "message": "Secret hub-token is not there, or is empty"}


def test_a_config_map_that_is_not_there_is_named_and_looked_for_again(tmp_path: Path) -> None:
    named = "ConfigMap roots (key ca.crt)"
    code, report = run(tmp_path, "--uri", "hf://a/b", "--ca-bundle", "/none", "--ca-bundle-name", named)
    assert code == 1
    assert report == {"reason": "CaBundleMissing", "message": f"{named} is not there"}


@pytest.mark.parametrize(("sentence", "arguments", "says"), INVALID, ids=[case[0] for case in INVALID])
def test_a_wrong_argument_names_its_flag(sentence: str, arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    code, report = run(tmp_path, *arguments)
    assert (code, report["reason"]) == (3, "InvalidArgument")
    assert says in str(report["message"])
    assert "secret" not in str(report["message"])


def test_a_revision_of_a_source_without_revisions_is_refused(web: WebServer, tmp_path: Path) -> None:
    assert run(tmp_path, "--uri", web.url, "--revision", "main")[1]["reason"] == "InvalidArgument"


def test_another_digest_than_the_one_asked_for_is_refused(web: WebServer, tmp_path: Path) -> None:
    code, report = run(tmp_path, "--uri", web.url, "--digest", f"sha256:{'0' * 64}")
    assert (code, report["reason"]) == (3, "DigestMismatch")


REASONS = {
    "CaBundleMissing": 1,
    "ConnectionCut": 1,
    "CredentialsMissing": 1,
    "CredentialsRefused": 1,
    "DeviceMissing": 3,
    "DigestMismatch": 3,
    "DigestMissing": 3,
    "EgressRefused": 3,
    "EngineDied": 1,
    "InsufficientDisk": 1,
    "InvalidArgument": 3,
    "InvalidConfig": 3,
    "InvalidHeader": 3,
    "InvalidModel": 3,
    "InvalidTensors": 3,
    "PackedFile": 3,
    "PickledWeights": 3,
    "RemoteCode": 3,
    "SourceNotFound": 3,
    "SourceTimeout": 1,
    "SourceTooSlow": 1,
    "SourceTruncated": 1,
    "SourceUnauthorized": 3,
    "SourceUnreachable": 1,
    "UnsafeFile": 3,
    "UnsafePath": 3,
    "UnsafeTemplate": 3,
    "UnsafeTokenizer": 3,
    "UnsupportedArchitecture": 3,
}


def kinds_of_ends() -> Iterator[type[errors.ModelRuntimeError]]:
    for below in (*errors.PermanentError.__subclasses__(), *errors.TransientError.__subclasses__()):
        yield from (below, *below.__subclasses__())


def test_the_tree_of_errors_has_the_reasons_of_the_contract_and_is_drawn() -> None:
    ours = [kind for kind in kinds_of_ends() if kind.__module__ == errors.__name__]
    assert {kind.__name__: kind.exit_code for kind in ours} == REASONS
    assert all(reason in (errors.__doc__ or "") for reason in REASONS)


def test_a_long_message_still_fits_the_termination_log() -> None:
    text = termination.encode(termination.failure(errors.InvalidModel("é\n" * 5000)))
    assert len(text) <= termination.MAX_BYTES
    assert "\\n" not in text
