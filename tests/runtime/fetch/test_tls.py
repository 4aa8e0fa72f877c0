"""A server with a private certificate is trusted through `--ca-bundle`, and only then."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.errors import SourceUnreachable
from model_runtime.fetch.retry import Patience
from model_runtime.resolve import resolve
from model_runtime.verify import Task
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.runtime.fetch.webserver import WebServer, serving


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for loopback that signs itself, with its key in the same file."""
    path = tmp_path / "certificate.pem"
    subject = ("-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "-")
    made = subprocess.run(["openssl", "req", "-x509", *key, *subject], capture_output=True, text=True, check=True)
    path.write_text(made.stdout)
    return path


@pytest.fixture
def web(certificate: Path) -> Iterator[WebServer]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    files = {f"/{path}": content for path, content in with_sums(chat_model()).items()}
    with serving(WebServer(files), tls=tls) as server:
        yield server


def test_a_private_certificate_is_trusted_by_its_bundle(web: WebServer, certificate: Path, patience: Patience) -> None:
    arguments = SourceArguments(uri=f"https://127.0.0.1:{web.port}", ca_bundle=certificate)
    assert resolve(arguments, Task.AUTO, patience)["task"] == "Chat"


def test_without_the_bundle_nothing_is_sent(web: WebServer, patience: Patience) -> None:
    with pytest.raises(SourceUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        resolve(SourceArguments(uri=f"https://127.0.0.1:{web.port}"), Task.AUTO, patience)
    assert web.requests == []
