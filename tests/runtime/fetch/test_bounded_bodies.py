"""What a source sends beside the files: what nobody wants is left unread, the rest is read up to a bound."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.errors import InvalidModel
from model_runtime.fetch.http import fetch_small, make_client
from model_runtime.fetch.pace import Limits
from model_runtime.fetch.s3 import read_sums
from model_runtime.fetch.source import Answer, beginning
from model_runtime.manifest import SUMS_NAME

TERABYTE = 10**12
MEBIBYTE = bytes(1 << 20)


class Endless(BaseHTTPRequestHandler):
    """Leads from /old to /new, with a body that is announced and never comes."""

    closing: threading.Event

    def do_GET(self) -> None:
        if self.path == "/new":
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"here")
            return
        self.send_response(302)
        self.send_header("Location", "/new")
        self.send_header("Content-Length", str(TERABYTE))
        self.end_headers()
        self.wfile.write(MEBIBYTE)
        self.closing.wait(60)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def endless_redirect() -> Iterator[str]:
    handler = type("Handler", (Endless,), {"closing": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        handler.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_body_of_a_redirect_is_not_waited_for() -> None:
    with endless_redirect() as url:
        arguments = SourceArguments(uri=url, limits=Limits(silence_seconds=2))
        with make_client(arguments) as client:
            assert fetch_small(client, f"{url}/old", {}, 1024) == b"here"


def test_a_body_is_read_no_further_than_its_bound() -> None:
    chunks = repeat(MEBIBYTE)
    assert len(beginning(chunks, 3 << 20)) == 3 << 20
    assert beginning(iter([b"ab", b"c"]), 8) == b"abc"


def test_a_bucket_that_sends_more_sums_than_it_lists_is_refused() -> None:
    with pytest.raises(InvalidModel, match=rf"{SUMS_NAME}: more than \d+ bytes"):
        read_sums(Answer(repeat(MEBIBYTE)))
