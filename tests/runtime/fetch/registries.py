"""A real registry on loopback, and a token service that it trusts."""

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.binaries import cache_folder
from tests.stack.certificates import Authority
from tests.stack.ports import free_port
from tests.stack.registry import PASSWORD, USER, configuration
from tests.stack.wait import wait_for

ISSUER, SERVICE = "nereid-tests", "models"


def registry_binary() -> Path:
    """The registry that the test cluster is built with."""
    candidates = [
        os.environ.get("NEREID_REGISTRY", ""),
        *map(str, sorted(cache_folder().glob("cluster/registry-*/bin/registry"))),
        shutil.which("registry") or "",
    ]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and Path(candidate).is_file():
            return Path(candidate)
    pytest.fail("no registry: run `python -m tests.cluster binaries`, or set NEREID_REGISTRY to its path")


@contextmanager
def running_registry(storage: Path, folder: Path, tls: Path | None = None, **more: Mapping[str, Any]) -> Iterator[str]:
    """Run a registry over the storage, which others may share, until the block ends; give its URL.

    `tls` holds its key and certificate.
    """
    port = free_port()
    config = json.loads(configuration(f"127.0.0.1:{port}", str(storage), tls=str(tls or "")))
    (folder / "config.yml").write_text(json.dumps(config | more))
    environment = {"OTEL_TRACES_EXPORTER": "none", "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [registry_binary(), "serve", folder / "config.yml"], env=environment, stdout=log, stderr=log
        )
        try:
            wait_for("the registry", lambda: _listens(port, process, folder / "log"), seconds=20, interval=0.02)
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _listens(port: int, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class TokenService:
    """Signs tokens: for everybody to pull what is below `public/`, for the user to pull everything.

    `realm` is its URL by the name localhost, the registry's is by address: two hosts. The first `expired` tokens have
    run out already.
    """

    authority: Authority
    realm: str = ""
    expired: int = 0
    requests: list[dict[str, str]] = field(default_factory=list)

    @property
    def auth(self) -> dict[str, Any]:
        """What the registry is to be told."""
        bundle = str(self.authority.certificate)
        return {"token": {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}}

    def answer(self, query: Mapping[str, str], authorization: str | None) -> bytes | None:
        """Return the body of an answer; None for a user or a password that are wrong."""
        self.requests.append({**query, "authorization": authorization or ""})
        right = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        if authorization not in {None, right}:
            return None
        kind, name, actions = query["scope"].split(":")
        allowed = authorization == right or name.startswith("public/")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}] if allowed else []
        return json.dumps({"token": self._signed(access)}).encode()

    def _signed(self, access: list[dict[str, Any]]) -> str:
        now = int(time.time())
        # The registry forgives a minute.
        end = now - 120 if self.expired > 0 else now + 300
        self.expired -= 1
        der = subprocess.run(
            ["openssl", "x509", "-in", self.authority.certificate, "-outform", "DER"], capture_output=True, check=True
        ).stdout
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        claims = {"iss": ISSUER, "sub": "", "aud": SERVICE, "exp": end, "nbf": end - 600, "iat": now, "jti": "1"}
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims | {"access": access}))
        return f"{text}.{_encoded(_raw_signature(self.authority.key, text.encode()))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _raw_signature(key: Path, content: bytes) -> bytes:
    """Sign by ES256: both numbers in 32 bytes each, which openssl gives as two ASN.1 integers."""
    command = ["openssl", "dgst", "-sha256", "-sign", key]
    der = subprocess.run(command, input=content, capture_output=True, check=True).stdout
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2 : at + 2 + length]))
        at += 2 + length
    return b"".join(number.to_bytes(32) for number in numbers)


@contextmanager
def running_token_service(authority: Authority) -> Iterator[TokenService]:
    """Run the token service until the block ends."""
    service = TokenService(authority)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            body = service.answer(query, self.headers.get("Authorization"))
            self.send_response(401 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.realm = f"http://localhost:{server.server_port}/token"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
