"""Servers for the sources: a web server with faults, an S3 server and a hub; and a clock that never really waits."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Clock, Patience
from tests.binaries import cache_folder
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.stack.certificates import Authority, make_authority
from tests.stack.ports import free_port
from tests.stack.webserver import WebServer, serving

S3_KEY, S3_SECRET = "nereid-test", "nereid-test-secret"


class FakeTime:
    """Seconds that pass only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def patience(fake_time: FakeTime) -> Patience:
    return Patience(deadline=3600, clock=Clock(now=lambda: fake_time.now, sleep=fake_time.sleep))


@pytest.fixture
def progress(fake_time: FakeTime) -> Progress:
    return Progress(report=lambda _: None, now=lambda: fake_time.now)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server with a right chat model in /model."""
    files = {f"/model/{path}": content for path, content in with_sums(chat_model()).items()}
    with serving(WebServer(files)) as server:
        yield server


def versitygw_binary() -> Path:
    """The S3 server that the test cluster is built with."""
    candidates = [
        os.environ.get("NEREID_VERSITYGW", ""),
        *map(str, sorted(cache_folder().glob("cluster/*/bin/versitygw"))),
        shutil.which("versitygw") or "",
    ]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and Path(candidate).is_file():
            return Path(candidate)
    pytest.fail("no versitygw: run `python -m tests.cluster binaries`, or set NEREID_VERSITYGW to its path")


class S3Server:
    """A bucket `models` on loopback."""

    def __init__(self, endpoint: str, trusted: Path | None = None) -> None:
        self.endpoint = endpoint
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=S3_KEY,
            aws_secret_access_key=S3_SECRET,
            verify=str(trusted) if trusted else None,
            config=Config(s3={"addressing_style": "path"}),
        )


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"versitygw ended with {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.02)
    pytest.fail("versitygw does not answer")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@contextmanager
def running_s3(folder: Path, tls: Path | None = None, trusted: Path | None = None) -> Iterator[S3Server]:
    """Run an S3 server until the block ends; `tls` holds its key and certificate, signed by what is `trusted`."""
    data, sidecar = folder / "data", folder / "sidecar"
    data.mkdir()
    sidecar.mkdir()
    port = free_port()
    secure = ["--cert", tls, "--key", tls] if tls else []
    command = [versitygw_binary(), "--port", f"127.0.0.1:{port}", *secure, "posix", "--sidecar", sidecar, data]
    environment = {"ROOT_ACCESS_KEY": S3_KEY, "ROOT_SECRET_KEY": S3_SECRET}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            server = S3Server(f"{'https' if tls else 'http'}://127.0.0.1:{port}", trusted)
            server.client.create_bucket(Bucket="models")
            yield server
            server.client.close()
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that only its own certificate makes trusted."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Path:
    """Key and certificate of servers on loopback, and of the names that a proxy leads there."""
    return authority.issue("loopback", "IP:127.0.0.1", "DNS:localhost", "DNS:*.models.test")


@pytest.fixture(scope="session")
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def s3_credentials(tmp_path: Path) -> Path:
    folder = tmp_path / "s3-credentials"
    folder.mkdir()
    (folder / "accessKeyId").write_text(S3_KEY)
    (folder / "secretAccessKey").write_text(f"{S3_SECRET}\n")
    (folder / "hosts").write_text("127.0.0.1 *.models.test")
    return folder
