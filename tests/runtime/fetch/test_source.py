"""What a source's answer is worth: the bytes that were asked for, and whether two answers are of one content."""

from pathlib import Path

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.errors import SourceUnreachable
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.source import RangesIgnored, Version, ranged
from model_runtime.manifest import FileEntry
from tests.runtime.fetch.conftest import S3Server
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.stack.webserver import Fault, WebServer

PATH = "model.safetensors"
CONTENT = chat_model()[PATH]

MON, TUE = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"
VERSIONS = [
    ("nothing is said", Version(), Version(), False),
    ("the same tag", Version('"a"', MON), Version('"a"', MON), False),
    ("another tag and another time", Version('"a"', MON), Version('"b"', TUE), True),
    ("another tag and no times", Version('"a"'), Version('"b"'), True),
    ("another tag of a mirror that has the same file", Version('"a"', MON), Version('"b"', MON), False),
    ("another time of a mirror that has the same file", Version('"a"', MON), Version('"a"', TUE), False),
    ("a tag on one side only", Version('"a"'), Version(None), False),
]


@pytest.mark.parametrize(("sentence", "one", "other", "differs"), VERSIONS, ids=[case[0] for case in VERSIONS])
def test_another_content_is_told_by_its_version(sentence: str, one: Version, other: Version, differs: bool) -> None:
    assert one.differs(other) is differs
    assert other.differs(one) is differs


def test_a_weak_tag_says_nothing_about_bytes() -> None:
    assert Version.of({"etag": 'W/"a"', "last-modified": MON}) == Version(None, MON)


RANGES = [
    ("a range", "bytes 2-9/10", 2, None, b"abcdefgh"),
    ("a bounded range", "bytes 2-4/10", 2, 3, b"abcdefgh"),
    ("the whole file, where its end was asked for", None, 3, None, b"defgh"),
    ("the whole file", None, 0, None, b"abcdefgh"),
]


@pytest.mark.parametrize(("sentence", "header", "offset", "length", "given"), RANGES, ids=[case[0] for case in RANGES])
def test_the_bytes_that_were_asked_for_are_given(
    sentence: str, header: str | None, offset: int, length: int | None, given: bytes
) -> None:
    assert b"".join(ranged("file", iter([b"ab", b"cd", b"efgh"]), header, offset, length)) == given


def test_another_range_is_refused() -> None:
    with pytest.raises(SourceUnreachable, match="asked for the bytes from 3 on"):
        ranged("file", iter([b""]), "bytes 0-9/10", 3, None)


def test_a_server_without_ranges_says_so_when_a_piece_is_asked_for(web: WebServer) -> None:
    web.faults[f"/model/{PATH}"] = Fault(ignore_ranges=True)
    with (
        open_source(SourceArguments(uri=f"{web.url}/model")) as listing,
        pytest.raises(RangesIgnored),
        listing.open(entry(), 100, 100),
    ):
        pass


def entry() -> FileEntry:
    return FileEntry(PATH, len(CONTENT), f"sha256:{'0' * 64}")


def test_a_piece_of_a_file_comes_from_a_web_server(web: WebServer) -> None:
    assert piece(SourceArguments(uri=f"{web.url}/model")) == CONTENT[1000:251_000]


def test_a_piece_of_a_file_comes_from_a_bucket(s3_server: S3Server, s3_credentials: Path) -> None:
    for path, content in with_sums(chat_model()).items():
        s3_server.client.put_object(Bucket="models", Key=f"pieces/{path}", Body=content)
    arguments = SourceArguments(uri="s3://models/pieces", endpoint=s3_server.endpoint, credentials=s3_credentials)
    assert piece(arguments) == CONTENT[1000:251_000]
    with open_source(arguments) as listing, listing.open(entry(), 0) as answer:
        assert answer.version.etag
        assert answer.version.modified


def piece(arguments: SourceArguments) -> bytes:
    with open_source(arguments) as listing, listing.open(entry(), 1000, 250_000) as answer:
        return b"".join(answer.chunks)
