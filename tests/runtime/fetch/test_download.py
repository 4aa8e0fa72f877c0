"""Downloads go on where they were cut, verify what is already there, and publish a file only when it is right."""

import errno
import hashlib
import json
import os
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.errors import DigestMismatch, InsufficientDisk, InvalidArgument, SourceUnreachable
from model_runtime.fetch import download as module
from model_runtime.fetch import file_fetch
from model_runtime.fetch.disk import check_room
from model_runtime.fetch.download import download, needed_bytes, raise_first
from model_runtime.fetch.file_fetch import Cancelled
from model_runtime.fetch.https import https_listing
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience
from model_runtime.manifest import FileEntry
from tests.runtime.fetch.conftest import FakeTime
from tests.runtime.fetch.tiny import chat_model
from tests.stack.webserver import Fault, WebServer

PATH = "model.safetensors"
URL = f"/model/{PATH}"
CONTENT = chat_model()[PATH]


def fetch(web: WebServer, folder: Path, patience: Patience) -> list[str]:
    lines: list[str] = []
    with https_listing(SourceArguments(uri=f"{web.url}/model/")) as listing:
        download(listing, folder, patience, Progress(report=lines.append, now=patience.clock.now))
    assert not list(folder.rglob("*.part*"))
    for path, content in chat_model().items():
        assert (folder / path).read_bytes() == content
    return lines


def leave_part(folder: Path, content: bytes) -> None:
    """Leave what a killed container leaves: bytes, and the journal that says which they are."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    claim = {"digest": f"sha256:{digest}", "etag": None, "modified": None, "spans": [[0, len(content)]]}
    (folder / f"{PATH}.part").write_bytes(content)
    (folder / f"{PATH}.part.json").write_text(json.dumps(claim))


def ranges(web: WebServer) -> list[str | None]:
    return [request.range for request in web.requests if request.path == URL and request.method == "GET"]


def test_a_whole_model_arrives(web: WebServer, patience: Patience, tmp_path: Path) -> None:
    assert fetch(web, tmp_path, patience)[-1].startswith("fetched 0.5 of 0.5 MB")
    assert ranges(web) == [None]


def test_a_cut_connection_goes_on_where_it_was_cut(
    web: WebServer, patience: Patience, fake_time: FakeTime, tmp_path: Path
) -> None:
    web.faults[URL] = Fault(cut_at=100_000, times=1)
    fetch(web, tmp_path, patience)
    assert ranges(web) == [None, "bytes=100000-"]
    assert fake_time.sleeps == [1.0]


def test_a_part_left_by_a_killed_container_is_used(web: WebServer, patience: Patience, tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT[:200_000])
    fetch(web, tmp_path, patience)
    assert ranges(web) == ["bytes=200000-"]


def test_a_part_with_other_bytes_is_fetched_again_from_the_start(
    web: WebServer, patience: Patience, tmp_path: Path
) -> None:
    leave_part(tmp_path, b"x" * 200_000)
    fetch(web, tmp_path, patience)
    assert ranges(web) == ["bytes=200000-", None]


def test_a_part_longer_than_the_file_is_fetched_again_from_the_start(
    web: WebServer, patience: Patience, tmp_path: Path
) -> None:
    leave_part(tmp_path, CONTENT + b"x")
    fetch(web, tmp_path, patience)
    assert ranges(web) == [None]


def test_a_server_without_ranges_is_read_from_the_start(web: WebServer, patience: Patience, tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT[:200_000])
    web.faults[URL] = Fault(ignore_ranges=True)
    fetch(web, tmp_path, patience)
    assert ranges(web) == ["bytes=200000-"]


def test_a_complete_file_is_not_fetched_again(web: WebServer, patience: Patience, tmp_path: Path) -> None:
    fetch(web, tmp_path, patience)
    fetch(web, tmp_path, patience)
    assert ranges(web) == [None]


def test_a_complete_file_is_hashed_and_not_trusted(web: WebServer, patience: Patience, tmp_path: Path) -> None:
    (tmp_path / PATH).write_bytes(b"x" * len(CONTENT))
    fetch(web, tmp_path, patience)


def test_a_link_in_place_of_a_file_is_replaced(web: WebServer, patience: Patience, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    (tmp_path / PATH).symlink_to(tmp_path / "elsewhere")
    fetch(web, tmp_path, patience)
    assert not (tmp_path / PATH).is_symlink()


def test_a_drip_ends_at_the_deadline(web: WebServer, tmp_path: Path, fake_time: FakeTime, patience: Patience) -> None:
    fake_time.now = patience.deadline + 1
    with pytest.raises(SourceUnreachable, match="deadline"):
        fetch(web, tmp_path, patience)


def test_the_disk_is_checked_before_the_first_byte(
    web: WebServer, patience: Patience, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")(10, 9, 1)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InsufficientDisk, match="1 bytes free"):
        fetch(web, tmp_path, patience)
    assert ranges(web) == []


def test_bytes_already_fetched_need_no_room(tmp_path: Path) -> None:
    entry = FileEntry("weights", 1 << 30, f"sha256:{'0' * 64}")
    with (tmp_path / "weights.part").open("wb") as file:
        file.write(bytes(1 << 20))
        file.truncate(1 << 29)
        os.fsync(file.fileno())
    assert needed_bytes(tmp_path, [entry]) == (1 << 30) - (1 << 20)


def test_the_room_leaves_some_to_spare(tmp_path: Path) -> None:
    check_room(tmp_path, 5, (16 << 20) + 5)
    with pytest.raises(InsufficientDisk, match="expected 5 for the model"):
        check_room(tmp_path, 5, (16 << 20) + 4)


def test_a_disk_that_fills_up_is_said_to_be_full(
    web: WebServer, patience: Patience, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_fetch.os, "fsync", full)
    with pytest.raises(InsufficientDisk, match="the disk is full"):
        fetch(web, tmp_path, patience)


def test_a_part_that_somebody_cuts_short_is_noticed(
    web: WebServer, patience: Patience, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_fetch.os, "pread", lambda *_: b"")
    with pytest.raises(DigestMismatch, match="cut it short on the disk"):
        fetch(web, tmp_path, patience)
    assert not (tmp_path / PATH).exists()


def test_the_cause_is_raised_before_the_cancellations_it_led_to() -> None:
    with pytest.raises(SourceUnreachable):
        raise_first([Cancelled("b"), SourceUnreachable("a"), Cancelled("c")])


def test_a_token_is_sent_to_the_host_but_not_where_it_redirects(
    web: WebServer, patience: Patience, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "token").write_text("s3cret\n")
    (tmp_path / "secret" / "hosts").write_text("127.0.0.1")
    web.faults[URL] = Fault(redirect=f"http://localhost:{web.port}/elsewhere")
    web.files["/elsewhere"] = CONTENT
    arguments = SourceArguments(uri=f"{web.url}/model", credentials=tmp_path / "secret")
    with https_listing(arguments) as listing:
        download(listing, tmp_path / "weights", patience, Progress(report=lambda _: None, now=patience.clock.now))
    sent = {request.path: request.authorization for request in web.requests}
    assert sent[URL] == "Bearer s3cret"
    assert sent["/elsewhere"] is None


def test_a_token_is_never_sent_in_clear(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    arguments = SourceArguments(uri="http://mirror.example/model", credentials=tmp_path)
    with pytest.raises(InvalidArgument, match="never sent in clear"), https_listing(arguments):
        pass


def test_no_thread_is_left_behind(web: WebServer, patience: Patience, tmp_path: Path) -> None:
    before = {thread.name for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")}
    fetch(web, tmp_path, patience)
    after = {thread.name for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")}
    assert after <= before
