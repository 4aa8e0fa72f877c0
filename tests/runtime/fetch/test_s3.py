"""Models in a bucket of a real S3 server: digests, credentials, ranges and faults."""

import hashlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from model_runtime import errors
from model_runtime.arguments import SourceArguments
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience
from model_runtime.fetch.s3 import make_client
from model_runtime.prepare import prepare
from model_runtime.resolve import resolve
from model_runtime.serving import Serving
from model_runtime.verify import Task
from tests.runtime.fetch.conftest import S3Server
from tests.runtime.fetch.tiny import chat_model, with_sums


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A prefix that no other test uses."""
    return f"team/{request.node.name}"


def put(server: S3Server, prefix: str, files: Mapping[str, bytes], **more: str) -> None:
    for path, content in files.items():
        server.client.put_object(Bucket="models", Key=f"{prefix}/{path}", Body=content, **more)


def arguments(server: S3Server, prefix: str, credentials: Path | None, digest: str | None = None) -> SourceArguments:
    return SourceArguments(
        uri=f"s3://models/{prefix}", endpoint=server.endpoint, credentials=credentials, revision=digest, digest=digest
    )


def test_digests_come_from_sha256sums(
    s3_server: S3Server, prefix: str, s3_credentials: Path, patience: Patience, tmp_path: Path
) -> None:
    put(s3_server, prefix, with_sums(chat_model()))
    resolved = resolve(arguments(s3_server, prefix, s3_credentials), Task.AUTO, patience)
    assert resolved["task"] == "Chat"
    digest = str(resolved["digest"])
    (tmp_path / "weights").mkdir()
    content = chat_model()["model.safetensors"]
    (tmp_path / "weights" / "model.safetensors.part").write_bytes(content[:123_456])
    serving = Serving("tiny", Task.CHAT, PurePosixPath(tmp_path / "weights"), 8, 5000)
    pinned = arguments(s3_server, prefix, s3_credentials, digest)
    assert (
        prepare(pinned, serving, tmp_path / "repository", patience, Progress(report=print, now=patience.clock.now))[
            "files"
        ]
        == 4
    )
    assert (tmp_path / "weights" / "model.safetensors").read_bytes() == content


@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_no_file_says_where_the_bucket_is(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mounted Secret may hold such a file, and the hosts of a source are checked by what the spec says."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    (tmp_path / "aws").write_text("[default]\nendpoint_url = http://elsewhere.example.com\n")
    monkeypatch.setenv(variable, str(tmp_path / "aws"))
    with closing(make_client(SourceArguments(uri="s3://models/m"), None)) as client:
        assert client.meta.endpoint_url == "https://s3.us-east-1.amazonaws.com"


def test_digests_come_from_the_objects_own_checksums(
    s3_server: S3Server, prefix: str, s3_credentials: Path, patience: Patience
) -> None:
    put(s3_server, f"{prefix}-objects", chat_model(), ChecksumAlgorithm="SHA256")
    put(s3_server, f"{prefix}-sums", with_sums(chat_model()))
    by_objects = resolve(arguments(s3_server, f"{prefix}-objects", s3_credentials), Task.AUTO, patience)
    by_sums = resolve(arguments(s3_server, f"{prefix}-sums", s3_credentials), Task.AUTO, patience)
    assert by_objects["digest"] == by_sums["digest"]


def test_no_digest_says_how_to_mend_it(
    s3_server: S3Server, prefix: str, s3_credentials: Path, patience: Patience
) -> None:
    put(s3_server, prefix, chat_model(), ChecksumAlgorithm="CRC32")
    with pytest.raises(errors.DigestMissing, match="put a SHA256SUMS beside it"):
        resolve(arguments(s3_server, prefix, s3_credentials), Task.AUTO, patience)


def test_an_object_that_is_listed_but_gone(
    s3_server: S3Server, prefix: str, s3_credentials: Path, patience: Patience
) -> None:
    files = with_sums(chat_model())
    del files["tokenizer.json"]
    put(s3_server, prefix, files)
    with pytest.raises(errors.SourceNotFound, match=r"tokenizer\.json is in SHA256SUMS"):
        resolve(arguments(s3_server, prefix, s3_credentials), Task.AUTO, patience)


def test_other_bytes_than_sha256sums_says(
    s3_server: S3Server, prefix: str, s3_credentials: Path, patience: Patience
) -> None:
    put(s3_server, prefix, with_sums(chat_model()) | {"tokenizer_config.json": b'{"chat_template": "other"}'})
    with pytest.raises(errors.DigestMismatch, match=r"tokenizer_config\.json"):
        resolve(arguments(s3_server, prefix, s3_credentials), Task.AUTO, patience)


def test_an_empty_prefix_is_not_found(
    s3_server: S3Server, prefix: str, s3_credentials: Path, patience: Patience
) -> None:
    with pytest.raises(errors.SourceNotFound, match="no objects under this prefix"):
        resolve(arguments(s3_server, prefix, s3_credentials), Task.AUTO, patience)


def test_a_bucket_that_is_not_there(s3_server: S3Server, s3_credentials: Path, patience: Patience) -> None:
    source = SourceArguments(uri="s3://nothing/here", endpoint=s3_server.endpoint, credentials=s3_credentials)
    with pytest.raises(errors.SourceNotFound, match="404"):
        resolve(source, Task.AUTO, patience)


def test_without_credentials_requests_are_anonymous_and_refused(
    s3_server: S3Server, prefix: str, patience: Patience
) -> None:
    put(s3_server, prefix, with_sums(chat_model()))
    with pytest.raises(errors.SourceUnauthorized, match="403"):
        resolve(arguments(s3_server, prefix, None), Task.AUTO, patience)


def test_wrong_credentials_are_refused(
    s3_server: S3Server, prefix: str, s3_credentials: Path, patience: Patience
) -> None:
    (s3_credentials / "secretAccessKey").write_text("wrong")
    with pytest.raises(errors.SourceUnauthorized):
        resolve(arguments(s3_server, prefix, s3_credentials), Task.AUTO, patience)


def test_a_secret_without_its_keys_names_the_key(s3_server: S3Server, tmp_path: Path, patience: Patience) -> None:
    (tmp_path / "token").touch()
    with pytest.raises(errors.CredentialsMissing, match="has no key 'accessKeyId', only token"):
        resolve(arguments(s3_server, "any", tmp_path), Task.AUTO, patience)


def test_a_server_that_is_gone_is_unreachable(patience: Patience, s3_credentials: Path) -> None:
    source = SourceArguments(uri="s3://models/x", endpoint="http://127.0.0.1:1", credentials=s3_credentials)
    with pytest.raises(errors.SourceUnreachable, match="EndpointConnectionError"):
        resolve(source, Task.AUTO, patience)


def test_the_manifest_digest_is_the_documented_hash(
    s3_server: S3Server, prefix: str, s3_credentials: Path, patience: Patience
) -> None:
    put(s3_server, prefix, with_sums(chat_model()))
    lines = [
        f"sha256:{hashlib.sha256(content).hexdigest()}  {len(content)}  {path}\n"
        for path, content in sorted(chat_model().items())
    ]
    expected = f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
    assert resolve(arguments(s3_server, prefix, s3_credentials), Task.AUTO, patience)["digest"] == expected
