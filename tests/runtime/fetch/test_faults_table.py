"""Each way in which a fetch fails has its own reason in bounded time, leaves nothing half-written, and heals.

A web server, and an S3 server behind a line that fails, misbehave; then they are mended, and the next run succeeds from
what is there. A clock that only tests move stands for the waits between attempts.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from model_runtime import errors
from model_runtime.arguments import SourceArguments
from model_runtime.fetch.pace import DEFAULT_LIMITS, Limits
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience
from model_runtime.prepare import prepare
from model_runtime.resolve import resolve
from model_runtime.serving import Serving
from model_runtime.verify import Task
from tests.runtime.fetch.command import run
from tests.runtime.fetch.conftest import FakeTime, S3Server
from tests.runtime.fetch.failing_line import FailingLine, failing_line
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.stack.webserver import Content, Fault, Handler, WebServer, serving

PATH = "model.safetensors"
WEIGHTS = f"/model/{PATH}"
CONTENT = chat_model()[PATH]
HALF = 262_144
# What a real source has a minute for, a source that hangs or drips has half a second for.
SHORT = Limits(silence_seconds=0.5, slow_seconds=0.5)


@dataclass(frozen=True)
class Case:
    """`left` is how many bytes of the file are there for the next run; None where it is not the same in each run."""

    sentence: str
    fault: Fault
    error: type[errors.ModelRuntimeError]
    says: str
    left: int | None = 0


CASES = [
    Case("a flipped byte", Fault(flip_byte=70_000), errors.DigestMismatch, "its bytes hash to"),
    Case("more bytes than listed", Fault(append=b"more"), errors.DigestMismatch, "more than was asked for"),
    Case("a truncated file", Fault(truncate_at=HALF), errors.SourceTruncated, "416", HALF),
    Case(
        "a truncated file and no ranges",
        Fault(truncate_at=HALF, ignore_ranges=True),
        errors.SourceTruncated,
        f"ended at byte {HALF} of {len(CONTENT)}",
        HALF,
    ),
    Case("a connection that is cut", Fault(cut_at=HALF), errors.ConnectionCut, "given up after 6 attempts", HALF),
    Case("a connection that is cut at once", Fault(cut_at=0), errors.ConnectionCut, "given up after 6 attempts"),
    Case("a host that hangs in the middle", Fault(hang_at=HALF), errors.SourceTimeout, "ReadTimeout", HALF),
    Case("a slow drip", Fault(drip_at=1), errors.SourceTooSlow, "expected at least 10240 a second", None),
    Case("500", Fault(status=500), errors.SourceUnreachable, "answered 500"),
    Case("503", Fault(status=503), errors.SourceUnreachable, "answered 503"),
    Case("429", Fault(status=429), errors.SourceUnreachable, "answered 429"),
    Case("404", Fault(status=404), errors.SourceNotFound, "answered 404"),
    Case("401", Fault(status=401), errors.SourceUnauthorized, "answered 401"),
    Case("403", Fault(status=403), errors.SourceUnauthorized, "answered 403"),
]


def arguments(web: WebServer, digest: str | None = None, limits: Limits = DEFAULT_LIMITS) -> SourceArguments:
    return SourceArguments(uri=f"{web.url}/model", revision=digest, digest=digest, limits=limits)


def bring(source: SourceArguments, folder: Path, patience: Patience) -> None:
    serving = Serving("tiny", Task.CHAT, PurePosixPath(folder / "weights"), 8, 5000)
    progress = Progress(report=lambda _: None, now=patience.clock.now)
    prepare(source, serving, folder / "repository", patience, progress)


def check_nothing_half_written(folder: Path) -> None:
    assert not (folder / "weights" / PATH).exists()
    assert not (folder / "repository").exists()


def check_whole(folder: Path) -> None:
    assert (folder / "weights" / PATH).read_bytes() == CONTENT
    assert (folder / "repository").is_dir()
    assert sorted(path.name for path in (folder / "weights").iterdir()) == sorted(chat_model())


def begins(web: WebServer) -> list[int]:
    """Return from which byte on the weights were asked for, each time."""
    ranges = [request.range for request in web.requests if request.path == WEIGHTS and request.method == "GET"]
    return [int((one or "bytes=0-").removeprefix("bytes=").partition("-")[0]) for one in ranges]


def there(folder: Path) -> int:
    """Return how many bytes of the weights are there, from the first one on."""
    journal = folder / "weights" / f"{PATH}.part.json"
    if not journal.exists():
        return 0
    spans = json.loads(journal.read_text())["spans"]
    assert len(spans) <= 1
    return spans[0][1] if spans else 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_a_fault_has_its_reason_and_heals(case: Case, web: WebServer, patience: Patience, tmp_path: Path) -> None:
    digest = str(resolve(arguments(web), Task.AUTO, patience)["digest"])
    web.faults[WEIGHTS] = case.fault
    limits = SHORT if case.error in {errors.SourceTimeout, errors.SourceTooSlow} else DEFAULT_LIMITS
    with pytest.raises(case.error) as raised:
        bring(arguments(web, digest, limits), tmp_path, patience)
    assert type(raised.value) is case.error
    assert case.says in str(raised.value)
    assert PATH in str(raised.value)
    check_nothing_half_written(tmp_path)
    left = there(tmp_path)
    assert left > 0 if case.left is None else left == case.left
    del web.faults[WEIGHTS]
    web.requests.clear()
    with_right_bytes = case.sentence != "a slow drip"
    bring(arguments(web, digest), tmp_path, patience)
    check_whole(tmp_path)
    assert begins(web) == ([left] if with_right_bytes else [left, 0])


RETRY_AFTER = {
    "40": 40.0,
    "0": 1.0,
    "3600": 120.0,
    "soon": 1.0,
    "Mon, 01 Jan 2024 00:00:00 GMT": 1.0,
    "Fri, 01 Jan 2100 00:00:00 GMT": 120.0,
}


@pytest.mark.parametrize("header", RETRY_AFTER)
def test_a_source_that_says_when_to_come_back_is_heeded(
    header: str, web: WebServer, patience: Patience, fake_time: FakeTime, tmp_path: Path
) -> None:
    digest = str(resolve(arguments(web), Task.AUTO, patience)["digest"])
    web.faults["/model/SHA256SUMS"] = Fault(status=429, headers={"Retry-After": header}, times=1)
    bring(arguments(web, digest), tmp_path, patience)
    assert fake_time.sleeps == [RETRY_AFTER[header]]


PROCESSES = [
    ("a host that hangs", Fault(hang_at=1), "SourceTimeout"),
    ("a slow drip", Fault(drip_at=1), "SourceTooSlow"),
]


@pytest.mark.parametrize(("sentence", "fault", "reason"), PROCESSES, ids=[case[0] for case in PROCESSES])
def test_a_process_ends_in_time(sentence: str, fault: Fault, reason: str, web: WebServer, tmp_path: Path) -> None:
    web.faults["/model/SHA256SUMS"] = fault
    limits = ("--silence-seconds", "0.5", "--slow-seconds", "1")
    code, report = run(tmp_path, "resolve", "--uri", f"{web.url}/model", *limits)
    assert code == 1
    assert report["reason"] == reason


S3_CASES = {
    "a connection that is cut": (FailingLine(cut_at=HALF), errors.ConnectionCut),
    "a host that hangs": (FailingLine(hang_at=HALF), errors.SourceTimeout),
    "a slow drip": (FailingLine(drip_at=HALF), errors.SourceTooSlow),
    "nobody there": (FailingLine(refuse=True), errors.SourceUnreachable),
}


@pytest.mark.parametrize("sentence", S3_CASES)
def test_a_bucket_has_the_same_reasons(
    sentence: str, s3_server: S3Server, s3_credentials: Path, patience: Patience, tmp_path: Path
) -> None:
    fault, error = S3_CASES[sentence]
    for path, content in with_sums(chat_model()).items():
        s3_server.client.put_object(Bucket="models", Key=f"faults/{path}", Body=content)
    uri = "s3://models/faults"
    source = SourceArguments(uri, endpoint=s3_server.endpoint, credentials=s3_credentials)
    digest = str(resolve(source, Task.AUTO, patience)["digest"])
    limits = SHORT if error in {errors.SourceTimeout, errors.SourceTooSlow} else DEFAULT_LIMITS
    with failing_line(s3_server.endpoint, fault) as endpoint:
        broken = SourceArguments(uri, digest, digest, endpoint, credentials=s3_credentials, limits=limits)
        with pytest.raises(error) as raised:
            bring(broken, tmp_path, patience)
    assert type(raised.value) is error
    check_nothing_half_written(tmp_path)
    assert (there(tmp_path) > 0) is (not fault.refuse)
    bring(SourceArguments(uri, digest, digest, s3_server.endpoint, credentials=s3_credentials), tmp_path, patience)
    check_whole(tmp_path)


@contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[Path]:
    """A file system in memory of that size, really mounted."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_meanwhile(patience: Patience, tmp_path: Path) -> None:
    files: dict[str, Content] = {f"/model/{path}": content for path, content in with_sums(chat_model()).items()}
    fill: list[Callable[[], None]] = []

    class Filling(Handler):
        """Has the disk filled before it gives the weights."""

        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            if self.path == WEIGHTS and fill:
                fill.pop()()
            super().do_GET()

    with serving(WebServer(files), Filling) as web, small_disk(tmp_path / "disk", 20) as disk:
        digest = str(resolve(arguments(web), Task.AUTO, patience)["digest"])
        fill.append(lambda: take_all_but(disk, 300_000))
        with pytest.raises(errors.InsufficientDisk, match="the disk is full"):
            bring(arguments(web, digest), disk, patience)
        check_nothing_half_written(disk)
        (disk / "ballast").unlink()
        left = there(disk)
        assert left < 300_000
        web.requests.clear()
        bring(arguments(web, digest), disk, patience)
        check_whole(disk)
        assert begins(web) == [left]


def take_all_but(disk: Path, spare: int) -> None:
    usage = os.statvfs(disk)
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(usage.f_bavail * usage.f_frsize - spare))


def test_a_disk_that_is_too_small_is_said_before_the_first_byte(
    web: WebServer, patience: Patience, tmp_path: Path
) -> None:
    digest = str(resolve(arguments(web), Task.AUTO, patience)["digest"])
    web.requests.clear()
    with small_disk(tmp_path / "disk", 1) as disk, pytest.raises(errors.InsufficientDisk, match="bytes free: expected"):
        bring(arguments(web, digest), disk, patience)
    assert begins(web) == []
