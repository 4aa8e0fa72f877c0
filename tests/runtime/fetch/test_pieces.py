"""A large file comes in pieces over several connections, goes on after a kill, and is right or not there at all."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.errors import DigestMismatch
from model_runtime.fetch.download import download
from model_runtime.fetch.http import make_client, open_range
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.progress import Progress, Reading
from model_runtime.fetch.retry import Patience
from model_runtime.fetch.source import Listing
from model_runtime.manifest import FileEntry, Manifest
from tests.runtime.fetch.conftest import S3Server
from tests.runtime.fetch.tiny import with_sums
from tests.stack.wait import wait_for
from tests.stack.webserver import Fault, Handler, WebServer, serving

MIB = 1 << 20
SIZE = 80 * MIB
URL = "/big"


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(5).randbytes(SIZE)  # noqa: S311 - content that is the same in every run


@pytest.fixture
def web(content: bytes) -> Iterator[WebServer]:
    with serving(WebServer({URL: content})) as server:
        yield server


@contextmanager
def listing(web: WebServer, content: bytes) -> Iterator[Listing]:
    entry = FileEntry("big", len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")

    def open_file(_: FileEntry, offset: int, length: int | None = None) -> Any:
        return open_range(client, f"{web.url}{URL}", {}, offset, length)

    with make_client(SourceArguments(uri=web.url)) as client:
        yield Listing("revision", Manifest.of([entry]), open_file)


class Watched(Progress):
    """Keeps each reading, to be looked at afterwards."""

    def __init__(self, patience: Patience) -> None:
        super().__init__(report=lambda _: None, now=patience.clock.now)
        self.readings: list[Reading] = []

    def add(self, count: int) -> None:
        super().add(count)
        if reading := self.reading():
            self.readings.append(reading)


def fetch(web: WebServer, content: bytes, folder: Path, patience: Patience) -> Watched:
    progress = Watched(patience)
    with listing(web, content) as listed:
        download(listed, folder, patience, progress)
    assert (folder / "big").read_bytes() == content
    assert [path.name for path in folder.iterdir()] == ["big"]
    assert all(0 <= reading.bytes_done <= reading.bytes_total for reading in progress.readings)
    assert progress.readings[-1].bytes_done == len(content)
    return progress


def spans(web: WebServer) -> list[str | None]:
    return [request.range for request in web.requests]


def asked(web: WebServer) -> int:
    """Return how many bytes were asked for, each request with an end."""
    ends = [(request.range or "").removeprefix("bytes=").partition("-") for request in web.requests]
    return sum(int(last) + 1 - int(first) for first, _, last in ends)


def test_each_byte_is_asked_for_once(web: WebServer, content: bytes, patience: Patience, tmp_path: Path) -> None:
    fetch(web, content, tmp_path, patience)
    assert len(web.requests) == 3
    assert asked(web) == SIZE


def test_connections_work_side_by_side(web: WebServer, content: bytes, patience: Patience, tmp_path: Path) -> None:
    together = threading.Barrier(3, timeout=20)

    class Meeting(Handler):
        """Answers the first three requests only when all three are there."""

        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            if len(self.web.requests) < 3:
                self._record()
                together.wait()
                self.web.requests.pop()
            super().do_GET()

    with serving(WebServer({URL: content}), Meeting) as meeting:
        fetch(meeting, content, tmp_path, patience)
    assert together.broken is False


def test_a_server_without_ranges_is_read_in_one_stream(
    web: WebServer, content: bytes, patience: Patience, tmp_path: Path
) -> None:
    web.faults[URL] = Fault(ignore_ranges=True)
    fetch(web, content, tmp_path, patience)
    assert spans(web)[-1] is None
    assert len(web.requests) <= 4


class Cutting(Handler):
    """Cuts the first three answers in the middle."""

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        if len(self.web.requests) > 3:
            super()._answer(status, body, headers)
            return
        super()._answer(status, body[: len(body) // 2], headers)
        self.close_connection = True


def test_after_a_cut_only_the_rest_of_a_piece_is_asked_for(content: bytes, patience: Patience, tmp_path: Path) -> None:
    with serving(WebServer({URL: content}), Cutting) as web:
        fetch(web, content, tmp_path, patience)
    assert len(web.requests) == 6
    assert asked(web) == SIZE + SIZE // 2
    assert {span for span in spans(web) if spans(web).count(span) > 1} == set()


def test_a_flipped_byte_is_found_and_one_stream_decides(
    web: WebServer, content: bytes, patience: Patience, tmp_path: Path
) -> None:
    web.faults[URL] = Fault(flip_byte=70 * MIB)
    with pytest.raises(DigestMismatch, match="big: its bytes hash to"):
        fetch(web, content, tmp_path, patience)
    assert spans(web)[-1] is None
    assert list(tmp_path.iterdir()) == []


def test_a_byte_that_is_flipped_once_is_mended(
    web: WebServer, content: bytes, patience: Patience, tmp_path: Path
) -> None:
    web.faults[URL] = Fault(flip_byte=10 * MIB, times=3)
    fetch(web, content, tmp_path, patience)
    assert len(web.requests) == 4


class Renewed(Handler):
    """Serves another version of the file from the third request on."""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        self.web.versions[URL] = "new" if len(self.web.requests) >= 2 else "old"
        super().do_GET()


def test_a_file_that_changes_meanwhile_is_fetched_anew_at_once(
    content: bytes, patience: Patience, tmp_path: Path
) -> None:
    with serving(WebServer({URL: content}), Renewed) as web:
        fetch(web, content, tmp_path, patience)
        assert spans(web)[-1] is None
        assert len(web.requests) <= 4


def test_what_a_killed_process_fetched_is_not_asked_for_again(
    content: bytes, patience: Patience, tmp_path: Path
) -> None:
    half = threading.Event()
    release = threading.Event()

    class Halting(Handler):
        """Gives half of each piece, and the rest when it is allowed to."""

        def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            if release.is_set():
                super()._answer(status, body, headers)
                return
            super()._answer(status, body[: len(body) // 2], headers)
            half.set()
            release.wait(60)
            self.close_connection = True

    web = WebServer({URL: content})
    with serving(web, Halting):
        process = start(web, content, tmp_path)
        try:
            # Of each piece half is there: 40 MiB in all, of which the last few are in no journal.
            wait_for("a journal", lambda: journaled(tmp_path) >= 32 * MIB, seconds=30)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
        assert not (tmp_path / "big").exists()
        there = journaled(tmp_path)
        release.set()
        web.requests.clear()
        fetch(web, content, tmp_path, patience)
    assert asked(web) == SIZE - there


def test_a_large_object_of_a_bucket_comes_in_pieces(
    content: bytes, s3_server: S3Server, s3_credentials: Path, patience: Patience, tmp_path: Path
) -> None:
    objects = with_sums({"model.safetensors": content, "config.json": b"", "tokenizer.json": b""})
    for path, body in objects.items():
        s3_server.client.put_object(Bucket="models", Key=f"large/{path}", Body=body)
    arguments = SourceArguments("s3://models/large", endpoint=s3_server.endpoint, credentials=s3_credentials)
    lengths: list[int | None] = []
    with open_source(arguments) as listed:
        entry = listed.manifest.get("model.safetensors")
        assert entry is not None

        def open_file(entry: FileEntry, offset: int, length: int | None = None) -> Any:
            lengths.append(length)
            return listed.open(entry, offset, length)

        download(Listing("revision", Manifest.of([entry]), open_file), tmp_path, patience, Watched(patience))
    assert (tmp_path / entry.path).read_bytes() == content
    assert sorted(length or 0 for length in lengths) == [16 * MIB, 32 * MIB, 32 * MIB]
    s3_server.client.delete_object(Bucket="models", Key="large/model.safetensors")


def journaled(folder: Path) -> int:
    try:
        claim = json.loads((folder / "big.part.json").read_text())
    except FileNotFoundError:
        return 0
    return sum(end - begin for begin, end in claim["spans"])


def start(web: WebServer, content: bytes, folder: Path) -> "subprocess.Popen[bytes]":
    digest = hashlib.sha256(content).hexdigest()
    command = [sys.executable, "-m", "bench.fetch.client", f"{web.url}{URL}", str(len(content)), digest]
    return subprocess.Popen([*command, str(folder)])
