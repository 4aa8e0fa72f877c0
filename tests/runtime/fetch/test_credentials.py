"""Credentials go to the hosts that their Secret names, and nowhere else: not on, not in clear, not into any output."""

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.credentials import Credentials, without_credentials
from model_runtime.errors import CredentialsMissing, CredentialsRefused, InvalidArgument, ModelRuntimeError
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.retry import Patience
from model_runtime.resolve import resolve
from model_runtime.verify import Task
from tests.runtime.fetch.conftest import S3Server
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.stack.certificates import Authority
from tests.stack.webserver import Fault, Handler, WebServer, serving

TOKEN = "hf_Never-shown-0123456789"
URL = "https://models.example.com/tiny"


def secret(folder: Path, **keys: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for key, value in keys.items():
        (folder / key).write_bytes(value if isinstance(value, bytes) else value.encode())
    return folder


REFUSED: dict[str, tuple[dict[str, str | bytes], str, type[ModelRuntimeError], str]] = {
    "a Secret that is not there": ({}, URL, CredentialsMissing, "Secret hub is not there, or is empty"),
    "a Secret without the key": ({"hosts": "a.example"}, URL, CredentialsMissing, "no key 'token', only hosts"),
    "an empty key": ({"token": "\n", "hosts": "a.example"}, URL, CredentialsMissing, "key 'token' is empty"),
    "a Secret without hosts": ({"token": TOKEN}, URL, CredentialsRefused, "Secret hub has no key 'hosts'"),
    "an empty list of hosts": (
        {"token": TOKEN, "hosts": " \n"},
        URL,
        CredentialsRefused,
        "Secret hub may not be sent to models.example.com",
    ),
    "another host": (
        {"token": TOKEN, "hosts": "other.example.com"},
        URL,
        CredentialsRefused,
        "Secret hub may not be sent to models.example.com",
    ),
    "the host above a wildcard": (
        {"token": TOKEN, "hosts": "*.example.com"},
        "https://example.com/x",
        CredentialsRefused,
        "may not be sent to example.com",
    ),
    "a host that only ends like the wildcard": (
        {"token": TOKEN, "hosts": "*.example.com"},
        "https://evil-example.com/x",
        CredentialsRefused,
        "may not be sent to evil-example.com",
    ),
    "a token where hosts should be": (
        {"token": TOKEN, "hosts": f"a.example, {TOKEN}!"},
        URL,
        CredentialsRefused,
        "key 'hosts', entry 2: expected a host",
    ),
    "a URL where a host should be": (
        {"token": TOKEN, "hosts": "https://models.example.com"},
        URL,
        CredentialsRefused,
        "entry 1: expected a host",
    ),
    "a token over http": (
        {"token": TOKEN, "hosts": "models.example.com"},
        "http://models.example.com/tiny",
        InvalidArgument,
        "never sent in clear",
    ),
    "a token of two lines": (
        {"token": f"{TOKEN}\n{TOKEN}", "hosts": "models.example.com"},
        URL,
        InvalidArgument,
        "key 'token': expected one line",
    ),
    "a token with a line break for headers": (
        {"token": f"{TOKEN}\r\nHost: evil", "hosts": "models.example.com"},
        URL,
        InvalidArgument,
        "key 'token': expected one line",
    ),
    "a token with letters that no header holds": (
        {"token": f"{TOKEN}é", "hosts": "models.example.com"},
        URL,
        InvalidArgument,
        "printable ASCII",
    ),
    "a token that is no text": (
        {"token": b"\xff" + TOKEN.encode(), "hosts": "models.example.com"},
        URL,
        InvalidArgument,
        "expected text in UTF-8",
    ),
}


@pytest.mark.parametrize(("keys", "url", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_sent_is_told_without_its_value(
    keys: Mapping[str, str | bytes], url: str, error: type[ModelRuntimeError], words: str, tmp_path: Path
) -> None:
    source = SourceArguments(uri=URL, credentials=secret(tmp_path / "s", **keys), credentials_name="Secret hub")
    with pytest.raises(error, match=words) as refused:
        source.credential("token", url)
    assert TOKEN not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ("models.example.com", URL),
        ("a.example,models.example.com", URL),
        ("a.example\n*.example.com\n", URL),
        ("Models.Example.com", "https://MODELS.example.com.:8443/tiny"),
        ("127.0.0.1", "http://127.0.0.1:8080/tiny"),
    ],
)
def test_a_host_that_is_named_gets_the_token(hosts: str, url: str, tmp_path: Path) -> None:
    source = SourceArguments(uri=URL, credentials=secret(tmp_path / "s", token=f"{TOKEN}\n", hosts=hosts))
    assert source.credential("token", url) == TOKEN
    assert TOKEN not in f"{source!r} {source.secret!r}"


def test_a_password_may_have_spaces_and_a_user_no_colon(tmp_path: Path) -> None:
    credentials = Credentials(secret(tmp_path / "s", username="me:too", password="mein Paßwort: ja"), "Secret hub")
    assert credentials.value("password") == "mein Paßwort: ja"
    with pytest.raises(InvalidArgument, match="key 'username': expected one line without a colon"):
        credentials.value("username")


def test_nothing_of_a_secret_is_repeated(tmp_path: Path) -> None:
    folder = secret(tmp_path / "s", username="me", password="geheim", token=TOKEN, hosts="models.example.com", odd="ab")
    said = f"models.example.com: me about {TOKEN.lower()}, geheim and Basic bWU6Z2VoZWlt"
    assert without_credentials(said, folder) == "models.example.com: me about …, … and Basic …"


@pytest.fixture
def elsewhere() -> Iterator[WebServer]:
    files = {f"/model/{path}": content for path, content in with_sums(chat_model()).items()}
    with serving(WebServer(files)) as server:
        yield server


@pytest.fixture
def web_over_tls(server_tls: ssl.SSLContext) -> Iterator[WebServer]:
    files = {f"/model/{path}": content for path, content in with_sums(chat_model()).items()}
    with serving(WebServer(files), tls=server_tls) as server:
        yield server


def test_a_redirect_to_another_port_of_the_host_gets_no_token(
    web: WebServer, elsewhere: WebServer, patience: Patience, tmp_path: Path
) -> None:
    web.faults["/model/SHA256SUMS"] = Fault(redirect=f"{elsewhere.url}/model/SHA256SUMS")
    folder = secret(tmp_path / "s", token=TOKEN, hosts="127.0.0.1")
    assert resolve(SourceArguments(uri=f"{web.url}/model", credentials=folder), Task.AUTO, patience)["task"] == "Chat"
    assert {request.authorization for request in web.requests} == {f"Bearer {TOKEN}"}
    assert [request.authorization for request in elsewhere.requests] == [None]


def test_a_redirect_from_https_to_http_gets_no_token(
    web_over_tls: WebServer, elsewhere: WebServer, authority: Authority, patience: Patience, tmp_path: Path
) -> None:
    web_over_tls.faults["/model/SHA256SUMS"] = Fault(redirect=f"{elsewhere.url}/model/SHA256SUMS")
    source = SourceArguments(
        uri=f"https://127.0.0.1:{web_over_tls.port}/model",
        ca_bundle=authority.certificate,
        credentials=secret(tmp_path / "s", token=TOKEN, hosts="127.0.0.1"),
    )
    assert resolve(source, Task.AUTO, patience)["task"] == "Chat"
    assert {request.authorization for request in web_over_tls.requests} == {f"Bearer {TOKEN}"}
    assert [request.authorization for request in elsewhere.requests] == [None]


@pytest.mark.parametrize("uri", ["hf://acme/tiny", "s3://models/tiny"])
def test_a_host_that_is_not_named_is_asked_nothing(
    uri: str, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor when a variable names it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.url)
    keys = {"token": TOKEN, "accessKeyId": "id", "secretAccessKey": TOKEN, "hosts": "models.example.com"}
    endpoint = web.url if uri.startswith("hf") else None
    source = SourceArguments(uri=uri, endpoint=endpoint, credentials=secret(tmp_path / "s", **keys))
    with pytest.raises(CredentialsRefused, match=r"may not be sent to 127\.0\.0\.1"), open_source(source):
        pass
    assert web.requests == []


def test_a_bucket_without_a_secret_is_not_signed_for(
    s3_server: S3Server, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of the environment are nobody's who wrote the spec."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nereid-test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nereid-test-secret")
    with pytest.raises(ModelRuntimeError, match="403"):
        resolve(SourceArguments(uri="s3://models/x", endpoint=s3_server.endpoint), Task.AUTO, patience)


@dataclass
class Talkative(WebServer):
    """A server that sends back what it is told; it holds its answers until it has seen the asking process."""

    answer: str = ""
    asking: int = 0
    started: threading.Event = field(default_factory=threading.Event)
    seen: str = ""


class TalkativeHandler(Handler):
    web: Talkative

    def do_HEAD(self) -> None:  # noqa: N802 - the name that http.server calls
        """Tell a size that is none."""
        self._answer(200, b"", {"Content-Length": self.headers["Authorization"]})

    def do_GET(self) -> None:  # noqa: N802
        """Answer as the test says."""
        self.web.started.wait(20)
        for name in ("environ", "cmdline", "comm"):
            self.web.seen += Path(f"/proc/{self.web.asking}/{name}").read_text(errors="replace")
        told = self.headers["Authorization"]
        self._record()
        status, headers, _, body = ANSWERS[self.web.answer]
        if self.web.answer == "a size" and self.path.endswith("SHA256SUMS"):
            super().do_GET()
            return
        given = {name: value.replace("TOLD", told).replace("TOKEN", TOKEN) for name, value in headers.items()}
        content = body.replace("TOLD", told).encode()
        self._answer(status, content, {"Content-Length": str(len(content)), **given})


# Status, headers, the sources that are tried, and the body.
ANSWERS: dict[str, tuple[int, Mapping[str, str], tuple[str, ...], str]] = {
    "a refusal": (401, {"X-Error-Message": "TOLD", "WWW-Authenticate": "TOLD"}, ("https", "hf"), "bad token: TOLD"),
    "an error": (500, {"X-Error-Message": "TOLD"}, ("hf",), "TOLD"),
    "no JSON": (200, {}, ("hf",), "TOLD"),
    "JSON of another form": (200, {}, ("hf",), '["TOLD"]'),
    "a redirect": (302, {"Location": "http://TOKEN.example.com/TOLD"}, ("https", "hf"), ""),
    "a redirect to nowhere": (302, {"Location": "http://[TOKEN/"}, ("https",), ""),
    "a size": (404, {}, ("https",), ""),
}


@pytest.mark.parametrize(
    ("answer", "scheme"),
    [(answer, scheme) for answer, (_, _, schemes, _) in ANSWERS.items() for scheme in schemes],
)
def test_a_token_that_the_server_sends_back_is_in_no_output(answer: str, scheme: str, tmp_path: Path) -> None:
    folder = secret(tmp_path / "secret", token=TOKEN, hosts="127.0.0.1")
    files = {f"/model/{path}": content for path, content in with_sums(chat_model()).items()}
    (tmp_path / "out").mkdir()
    (tmp_path / "egress.json").write_text('{"hosts": [], "cidrs": ["127.0.0.0/8"], "proxies": []}')
    with serving(Talkative(files, answer=answer), TalkativeHandler) as web:
        assert isinstance(web, Talkative)
        named = ["--uri", "hf://acme/tiny", "--endpoint", web.url] if scheme == "hf" else ["--uri", f"{web.url}/model"]
        command = [sys.executable, "-m", "model_runtime.resolve", *named, "--credentials", str(folder)]
        command += ["--egress", str(tmp_path / "egress.json"), "--termination-log", str(tmp_path / "out" / "log")]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(tmp_path / "out"), "TMPDIR": str(tmp_path / "out")},
        ) as process:
            web.asking = process.pid
            web.started.set()
            output, _ = process.communicate(timeout=60)
    assert {request.authorization for request in web.requests} == {f"Bearer {TOKEN}"}
    assert process.returncode in {1, 3}
    left = "".join(path.read_text(errors="replace") for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert '"reason"' in left
    assert TOKEN.lower() not in f"{output.decode()} {web.seen} {left}".lower()
