"""Sources behind a proxy: its names are known to the proxy alone, so what arrives came through it."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.errors import SourceUnreachable
from model_runtime.fetch.retry import Patience
from model_runtime.resolve import resolve
from model_runtime.verify import Task
from tests.runtime.fetch.command import run
from tests.runtime.fetch.conftest import S3Server
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.stack.certificates import Authority
from tests.stack.hubserver import Hub, HubHandler
from tests.stack.proxyserver import Proxy, proxying
from tests.stack.webserver import serving

HUB, WEB = "hub.models.test", "web.models.test"
BUCKET = "bucket.models.test"


@pytest.fixture
def hub(server_tls: ssl.SSLContext) -> Iterator[Hub]:
    """A hub, which is a web server too, behind TLS."""
    files = {f"/acme/tiny/{path}": content for path, content in with_sums(chat_model()).items()}
    with serving(Hub(files, storage=f"https://{HUB}"), HubHandler, tls=server_tls) as server:
        assert isinstance(server, Hub)
        yield server


@pytest.fixture
def proxy(hub: Hub, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    s3_port = int(s3_server.endpoint.rpartition(":")[2])
    places = {f"{name}:443": ("127.0.0.1", hub.port) for name in (HUB, WEB)}
    with proxying({**places, f"{BUCKET}:9000": ("127.0.0.1", s3_port)}) as running:
        for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "ALL_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", running.url)
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        yield running


@pytest.fixture
def web_source(authority: Authority) -> SourceArguments:
    return SourceArguments(uri=f"https://{WEB}/acme/tiny", ca_bundle=authority.certificate)


def asked_of(proxy: Proxy) -> set[str]:
    """Return the requests without their version: Python sends CONNECT by HTTP/1.0 until 3.12."""
    return {line.rpartition(" ")[0] for line in proxy.requests}


def test_a_web_folder_is_read_through_the_proxy(proxy: Proxy, web_source: SourceArguments, patience: Patience) -> None:
    assert resolve(web_source, Task.AUTO, patience)["task"] == "Chat"
    assert asked_of(proxy) == {f"CONNECT {WEB}:443"}


def test_a_hub_and_its_storage_are_read_through_the_proxy(proxy: Proxy, authority: Authority, tmp_path: Path) -> None:
    source = ("--uri", "hf://acme/tiny", "--endpoint", f"https://{HUB}", "--ca-bundle", str(authority.certificate))
    code, report = run(tmp_path, "resolve", *source)
    assert (code, report.get("task")) == (0, "Chat"), report
    assert asked_of(proxy) == {f"CONNECT {HUB}:443"}


def test_a_bucket_over_plain_http_is_read_through_the_proxy(
    proxy: Proxy, s3_server: S3Server, s3_credentials: Path, patience: Patience
) -> None:
    for path, content in with_sums(chat_model()).items():
        s3_server.client.put_object(Bucket="models", Key=f"behind-a-proxy/{path}", Body=content)
    source = SourceArguments(
        uri="s3://models/behind-a-proxy", endpoint=f"http://{BUCKET}:9000", credentials=s3_credentials
    )
    assert resolve(source, Task.AUTO, patience)["task"] == "Chat"
    assert proxy.requests
    assert all(f" http://{BUCKET}:9000/" in line for line in proxy.requests)


@pytest.mark.parametrize("exceptions", [".models.test", "models.test", WEB, f".svc,{WEB}"])
def test_what_is_excepted_is_not_asked_of_the_proxy(
    exceptions: str,
    proxy: Proxy,
    web_source: SourceArguments,
    patience: Patience,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", exceptions)
    with pytest.raises(SourceUnreachable, match="NameResolutionError"):
        resolve(web_source, Task.AUTO, patience)
    assert proxy.requests == []


@pytest.mark.parametrize("exceptions", [".models.test", BUCKET, f".svc,{BUCKET}"])
def test_a_bucket_that_is_excepted_is_not_asked_of_the_proxy(
    exceptions: str, proxy: Proxy, s3_credentials: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", exceptions)
    source = SourceArguments(uri="s3://models/x", endpoint=f"http://{BUCKET}:9000", credentials=s3_credentials)
    with pytest.raises(SourceUnreachable, match="EndpointConnectionError"):
        resolve(source, Task.AUTO, patience)
    assert proxy.requests == []


def test_what_the_proxy_refuses_is_unreachable(proxy: Proxy, patience: Patience) -> None:
    with pytest.raises(SourceUnreachable, match=r"nowhere\.models\.test.*502"):
        resolve(SourceArguments(uri="https://nowhere.models.test/model"), Task.AUTO, patience)
    assert asked_of(proxy) == {"CONNECT nowhere.models.test:443"}
