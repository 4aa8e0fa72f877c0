"""One GGUF file of several is named by `--file`, and every kind of source then lists that one and no other."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.fetch.open_source import open_source
from tests.runtime.fetch.conftest import S3Server
from tests.runtime.fetch.test_folder import put as put_into
from tests.runtime.fetch.test_oci import _fake, _manifest
from tests.runtime.fetch.tiny import with_sums
from tests.stack.hubserver import Hub, HubHandler
from tests.stack.webserver import WebServer, serving

# Nothing of their content is read while files are listed.
FILES = {"Q4.gguf": b"four", "Q8.gguf": b"eight", "tokenizer.json": b"{}", "README.md": b"# Two"}


@contextmanager
def on_a_web_server(_: Path) -> Iterator[SourceArguments]:
    with serving(WebServer({f"/{path}": content for path, content in with_sums(FILES).items()})) as web:
        yield SourceArguments(uri=web.url, file="Q8.gguf")


@contextmanager
def on_a_hub(_: Path) -> Iterator[SourceArguments]:
    with serving(Hub({f"/a/b/{path}": content for path, content in FILES.items()}), HubHandler) as hub:
        yield SourceArguments(uri="hf://a/b", endpoint=hub.url, file="Q8.gguf")


@contextmanager
def in_a_registry(_: Path) -> Iterator[SourceArguments]:
    with serving(_fake(FILES, _manifest(FILES), "latest")) as web:
        yield SourceArguments(uri="oci://registry.test/a", endpoint=web.url, file="Q8.gguf")


@contextmanager
def in_a_folder(folder: Path) -> Iterator[SourceArguments]:
    put_into(folder / "model", FILES)
    yield SourceArguments(uri="pvc://claim/model", claim=folder, file="Q8.gguf")


@contextmanager
def in_a_folder_with_sums(folder: Path) -> Iterator[SourceArguments]:
    put_into(folder / "model", with_sums(FILES))
    yield SourceArguments(uri="pvc://claim/model", claim=folder, file="Q8.gguf")


SOURCES = [on_a_web_server, on_a_hub, in_a_registry, in_a_folder, in_a_folder_with_sums]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.__name__).replace("_", " "))
def test_the_file_that_is_named_is_listed(source: type, tmp_path: Path) -> None:
    with source(tmp_path) as arguments, open_source(arguments) as listing:
        assert [entry.path for entry in listing.manifest.files] == ["Q8.gguf", "tokenizer.json"]


@pytest.mark.parametrize("with_a_list", [True, False], ids=["with sums", "with checksums"])
def test_the_object_that_is_named_is_listed(with_a_list: bool, s3_server: S3Server, s3_credentials: Path) -> None:
    prefix = f"gguf-{with_a_list}"
    for path, content in (with_sums(FILES) if with_a_list else FILES).items():
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        s3_server.client.put_object(
            Bucket="models", Key=f"{prefix}/{path}", Body=content, ChecksumAlgorithm="SHA256", ChecksumSHA256=checksum
        )
    arguments = SourceArguments(
        uri=f"s3://models/{prefix}", endpoint=s3_server.endpoint, credentials=s3_credentials, file="Q8.gguf"
    )
    with open_source(arguments) as listing:
        assert [entry.path for entry in listing.manifest.files] == ["Q8.gguf", "tokenizer.json"]
