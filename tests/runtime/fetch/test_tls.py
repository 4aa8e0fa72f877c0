"""Servers with a certificate of a private authority are trusted through `--ca-bundle`, and only then."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import boto3
import certifi
import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.errors import InvalidArgument, SourceUnreachable
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.retry import Patience
from model_runtime.fetch.trust import ssl_context, trusted_file
from model_runtime.resolve import resolve
from model_runtime.verify import Task
from tests.runtime.fetch.command import run
from tests.runtime.fetch.conftest import S3Server, running_s3
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.stack.certificates import Authority
from tests.stack.hubserver import Hub, HubHandler
from tests.stack.webserver import WebServer, serving


@pytest.fixture
def web(server_tls: ssl.SSLContext) -> Iterator[WebServer]:
    files = {f"/{path}": content for path, content in with_sums(chat_model()).items()}
    with serving(WebServer(files), tls=server_tls) as server:
        yield server


@pytest.fixture
def hub(server_tls: ssl.SSLContext) -> Iterator[Hub]:
    files = {f"/acme/tiny/{path}": content for path, content in chat_model().items()}
    with serving(Hub(files), HubHandler, tls=server_tls) as server:
        assert isinstance(server, Hub)
        server.storage = f"https://localhost:{server.port}"
        yield server


@pytest.fixture
def s3(tmp_path: Path, certificate: Path, authority: Authority) -> Iterator[S3Server]:
    with running_s3(tmp_path, tls=certificate, trusted=authority.certificate) as server:
        for path, content in with_sums(chat_model()).items():
            server.client.put_object(Bucket="models", Key=f"tiny/{path}", Body=content)
        yield server


def test_a_web_server_is_trusted_by_the_bundle(web: WebServer, authority: Authority, patience: Patience) -> None:
    arguments = SourceArguments(uri=f"https://127.0.0.1:{web.port}", ca_bundle=authority.certificate)
    assert resolve(arguments, Task.AUTO, patience)["task"] == "Chat"


def test_without_the_bundle_nothing_is_sent(web: WebServer, patience: Patience) -> None:
    with pytest.raises(SourceUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        resolve(SourceArguments(uri=f"https://127.0.0.1:{web.port}"), Task.AUTO, patience)
    assert web.requests == []


def test_a_hub_and_its_storage_are_trusted_by_the_bundle(hub: Hub, authority: Authority, tmp_path: Path) -> None:
    source = ("--uri", "hf://acme/tiny", "--endpoint", f"https://127.0.0.1:{hub.port}")
    bundle = ("--ca-bundle", str(authority.certificate))
    code, resolved = run(tmp_path, "resolve", *source, *bundle)
    assert (code, resolved["task"]) == (0, "Chat")
    pinned = ("--revision", str(resolved["revision"]), "--digest", str(resolved["digest"]))
    folders = ("--weights", str(tmp_path / "weights"), "--repository", str(tmp_path / "repository"))
    serving = ("--task", "Chat", "--served-name", "tiny", *folders)
    code, report = run(tmp_path, "prepare", *source, *bundle, *pinned, *serving)
    assert (code, report["files"]) == (0, 4)


def test_a_hub_without_the_bundle_is_sent_nothing(hub: Hub, patience: Patience) -> None:
    arguments = SourceArguments(uri="hf://acme/tiny", endpoint=f"https://127.0.0.1:{hub.port}")
    with pytest.raises(SourceUnreachable, match="CERTIFICATE_VERIFY_FAILED"), open_source(arguments):
        pass
    assert hub.requests == []


def test_a_bucket_is_trusted_by_the_bundle(
    s3: S3Server, s3_credentials: Path, authority: Authority, patience: Patience
) -> None:
    arguments = SourceArguments(uri="s3://models/tiny", endpoint=s3.endpoint, credentials=s3_credentials)
    with pytest.raises(SourceUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        resolve(arguments, Task.AUTO, patience)
    trusting = SourceArguments(
        uri="s3://models/tiny", endpoint=s3.endpoint, credentials=s3_credentials, ca_bundle=authority.certificate
    )
    assert resolve(trusting, Task.AUTO, patience)["task"] == "Chat"


def test_the_bundle_is_trusted_besides_the_well_known_authorities(authority: Authority) -> None:
    """A proxy or a mirror of one's own must not cut a model off from a public bucket."""
    known = Path(certifi.where()).read_text()
    with trusted_file(authority.certificate) as file:
        assert file is not None
        assert Path(file).read_text() == f"{known}\n{authority.certificate.read_text()}"
        assert boto3.client("s3", region_name="us-east-1", verify=file)
    assert len(ssl_context(authority.certificate).get_ca_certs()) == len(ssl_context(None).get_ca_certs()) + 1


@pytest.mark.parametrize("uri", ["https://127.0.0.1:1/model", "s3://models/tiny", "hf://acme/tiny"])
def test_a_bundle_without_certificates_is_named(uri: str, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("not PEM\n")
    arguments = SourceArguments(uri=uri, ca_bundle=bundle)
    with pytest.raises(InvalidArgument, match=r"ca\.crt: expected certificates in PEM"), open_source(arguments):
        pass
