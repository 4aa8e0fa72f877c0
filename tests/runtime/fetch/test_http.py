"""What the HTTP client makes of odd answers and URLs: servers are sockets that send a script."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.errors import ConnectionCut, InvalidArgument, ModelRuntimeError, SourceUnreachable
from model_runtime.fetch.egress import Egress
from model_runtime.fetch.http import content_length, fetch_small, make_client

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
HERE = OK + b"Content-Length: 4\r\n\r\nhere"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhere\r\n0\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TRAILER = b"Checksum: none\r\n"


@contextmanager
def answering(*script: Iterator[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Give the URL of a server that answers each connection by the next of the scripts, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in script:
                with suppress(OSError), listener.accept()[0] as connection:
                    asked.append(connection.recv(1 << 16))
                    for part in answer:
                        connection.sendall(part)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            # Wakes a thread to which nobody connected.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def read(url: str, headers: dict[str, str] | None = None, egress: Egress | None = None) -> bytes:
    with make_client(SourceArguments(uri=url, egress=egress)) as client:
        return fetch_small(client, url, headers or {}, 1024)


def redirect(location: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"


ANSWERS = {
    "a length": [HERE],
    "chunks": [CHUNKED, b"\r\n"],
    "chunks and lines after them": [CHUNKED, TRAILER, b"\r\n"],
    "no length, until the end": [OK, b"\r\n", b"he", b"re"],
    "a hint before it": [HINT, HERE],
    "go on, and a hint, before it": [CONTINUE, HINT, HERE],
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_body_is_read_however_it_is_framed(answer: list[bytes]) -> None:
    with answering(iter(answer)) as (url, _):
        assert read(url) == b"here"


ENDLESS = {
    "lines after the body": chain([CHUNKED], repeat(TRAILER)),
    "answers before the answer": repeat(CONTINUE),
    "headers": chain([OK], repeat(TRAILER)),
}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_what_never_ends_is_cut(answer: Iterator[bytes]) -> None:
    with answering(answer) as (url, _), pytest.raises(ConnectionCut):
        read(url)


@pytest.mark.parametrize("answer", [OK + b"Content-Length: 9\r\n\r\nhere", CHUNKED[:-3], b"\r\n", b"nonsense"])
def test_an_answer_that_is_cut_short_is_told(answer: bytes) -> None:
    with answering(iter([answer])) as (url, _), pytest.raises(ConnectionCut):
        read(url)


def test_a_size_is_asked_for_after_a_redirect() -> None:
    with answering(iter([redirect(b"/new")]), iter([OK + b"Content-Length: 1234\r\n\r\n"])) as (url, asked):
        with make_client(SourceArguments(uri=url)) as client:
            assert content_length(client, f"{url}/old", {}) == 1234
        assert [lines.split(b" ")[:2] for lines in asked] == [[b"HEAD", b"/old"], [b"HEAD", b"/new"]]


@pytest.mark.parametrize(("to", "path"), [("/öl?x=%2F&y=a b", b"/%C3%B6l?x=%2F&y=a%20b"), ("//{host}/b/../c", b"/c")])
def test_a_redirect_is_followed_as_it_is_written(to: str, path: bytes) -> None:
    with answering(iter([HERE])) as (new, asked):
        location = to.format(host=new.removeprefix("http://"))
        location = location if location.startswith("//") else new + location
        with answering(iter([redirect(location.encode())])) as (old, _):
            assert read(old) == b"here"
        assert asked[0].split(b" ")[1] == path


def test_a_credential_stays_with_its_origin() -> None:
    with answering(iter([HERE])) as (new, there), answering(iter([redirect(new.encode())])) as (old, here):
        assert read(old, {"Authorization": "Bearer secret"}) == b"here"
        assert b"secret" in here[0]
        assert b"secret" not in there[0]


LEADS_NOWHERE = [
    "ftp://127.0.0.1/x",
    "file:///etc/passwd",
    "http://[::1/",
    r"http://127.0.0.1\@allowed.test",
]


@pytest.mark.parametrize("location", LEADS_NOWHERE)
def test_a_redirect_to_nowhere_is_unreachable(location: str) -> None:
    with (
        answering(iter([redirect(location.encode() + b"?signature=1")])) as (url, _),
        pytest.raises(SourceUnreachable, match="redirects to") as told,
    ):
        read(url)
    assert "signature" not in str(told.value)


def test_redirects_come_to_an_end() -> None:
    again = [iter([redirect(b"/again")]) for _ in range(21)]
    with answering(*again) as (url, _), pytest.raises(SourceUnreachable, match="more than 20 redirects"):
        read(url)


@pytest.mark.parametrize(
    "host", [r"inner.test\.allowed.test", r"inner.test\@allowed.test", "inner.test%2eallowed.test"]
)
def test_a_host_is_the_same_to_policy_and_connection(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    egress = Egress(host_lists=(("allowed.test", "*.allowed.test"),))
    with answering(iter([HERE])) as (proxy, asked):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(ModelRuntimeError) as told:
            read(f"http://{host}/x", egress=egress)
        assert isinstance(told.value, InvalidArgument)
        assert asked == []


def test_a_proxy_is_given_the_account_in_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(iter([HERE])) as (proxy, asked):
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.replace("//", "//user:pass%40word@"))
        assert read("http://models.test/x") == b"here"
        assert asked[0].startswith(b"GET http://models.test/x HTTP/1.1\r\n")
        assert b"dXNlcjpwYXNzQHdvcmQ=" in asked[0]


def test_a_web_source_starts_without_the_hubs_libraries() -> None:
    script = "import model_runtime.fetch.https, sys; print({'httpx', 'rich', 'huggingface_hub'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
