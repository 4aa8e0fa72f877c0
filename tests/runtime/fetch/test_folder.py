"""Models in a folder of a mounted claim: digests, what changes meanwhile, and links, which lead nowhere."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pytest

from model_runtime import errors
from model_runtime.arguments import SourceArguments
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience
from model_runtime.prepare import prepare
from model_runtime.resolve import resolve
from model_runtime.serving import Serving
from model_runtime.verify import Task
from tests.runtime.fetch import command
from tests.runtime.fetch.tiny import chat_model, with_sums

WEIGHTS = "model.safetensors"


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    """The root of a claim."""
    root = tmp_path / "claim"
    root.mkdir()
    return root


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def arguments(claim: Path, uri: str = "pvc://models/team/tiny", digest: str | None = None) -> SourceArguments:
    return SourceArguments(uri=uri, claim=claim, revision=digest, digest=digest)


def prepared(claim: Path, digest: str, patience: Patience, weights: Path) -> dict[str, str | int]:
    serving = Serving("tiny", Task.CHAT, PurePosixPath(weights), 8, 5000)
    progress = Progress(report=print, now=patience.clock.now)
    return prepare(arguments(claim, digest=digest), serving, weights.parent / "repository", patience, progress)


@pytest.mark.parametrize("files", [chat_model(), with_sums(chat_model())], ids=["hashed", "with sums"])
def test_a_folder_is_pinned_to_the_digest_of_its_files(
    files: dict[str, bytes], claim: Path, patience: Patience, tmp_path: Path
) -> None:
    put(claim / "team" / "tiny", files)
    resolved = resolve(arguments(claim), Task.AUTO, patience)
    assert (resolved["task"], resolved["revision"], resolved["files"]) == ("Chat", resolved["digest"], 4)
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / f"{WEIGHTS}.part").write_bytes(files[WEIGHTS][:123_456])
    prepared(claim, str(resolved["digest"]), patience, weights)
    assert {path.name: path.read_bytes() for path in weights.iterdir()} == chat_model()


def test_both_ways_to_the_digests_give_the_same(claim: Path, patience: Patience) -> None:
    put(claim / "a", chat_model())
    put(claim / "b", with_sums(chat_model()))
    hashed, stated = (resolve(arguments(claim, f"pvc://c/{name}"), Task.AUTO, patience) for name in "ab")
    assert hashed == stated


def test_the_root_of_a_claim_may_be_the_model(claim: Path, patience: Patience) -> None:
    put(claim, chat_model())
    (claim / "lost+found").mkdir()
    (claim / "lost+found" / "link").symlink_to("/etc")
    assert resolve(arguments(claim, "pvc://models"), Task.AUTO, patience)["files"] == 4


def test_a_model_elsewhere_in_the_claim_is_no_matter(claim: Path, patience: Patience) -> None:
    put(claim / "team" / "tiny", chat_model())
    (claim / "team" / "other").symlink_to("/etc")
    assert resolve(arguments(claim), Task.AUTO, patience)["files"] == 4


def _at(name: str, target: str) -> Callable[[Path], None]:
    def make(claim: Path) -> None:
        (claim / name).rename(claim.parent / "moved")
        (claim / name).symlink_to(target.format(moved=claim.parent / "moved"))

    return make


def _pipe(claim: Path) -> None:
    (claim / "team/tiny/tokenizer.json").unlink()
    os.mkfifo(claim / "team/tiny/tokenizer.json")


def _socket(claim: Path) -> None:
    place = claim / "team/tiny/tokenizer.json"
    place.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(place.parent)
        try:
            listener.bind(place.name)
        finally:
            os.chdir(before)


def _linked_folder_below(claim: Path) -> None:
    (claim / "team/tiny/1_Pooling").symlink_to("/etc")


UNSAFE: dict[str, Callable[[Path], None]] = {
    "the weights are a link out of the claim": _at(f"team/tiny/{WEIGHTS}", "{moved}"),
    "a document is a link to its neighbour": _at("team/tiny/tokenizer.json", "config.json"),
    "a link that leads nowhere": _at("team/tiny/tokenizer.json", "nothing"),
    "the model's folder is a link": _at("team/tiny", "{moved}"),
    "a folder above it is a link": _at("team", "{moved}"),
    "a folder below it is a link": _linked_folder_below,
    "a pipe": _pipe,
    "a socket": _socket,
}


@pytest.mark.parametrize("spoil", UNSAFE.values(), ids=UNSAFE.keys())
def test_what_is_no_plain_file_is_refused(spoil: Callable[[Path], None], claim: Path, patience: Patience) -> None:
    put(claim / "team" / "tiny", chat_model())
    spoil(claim)
    with pytest.raises(errors.UnsafePath, match="expected"):
        resolve(arguments(claim), Task.AUTO, patience)


@pytest.mark.parametrize("spoil", [_at(f"team/tiny/{WEIGHTS}", "{moved}"), _at("team/tiny", "{moved}")])
def test_links_are_refused_beside_sums_too(spoil: Callable[[Path], None], claim: Path, patience: Patience) -> None:
    put(claim / "team" / "tiny", with_sums(chat_model()))
    spoil(claim)
    with pytest.raises(errors.UnsafePath, match="links are not followed"):
        resolve(arguments(claim), Task.AUTO, patience)


def test_a_link_that_is_put_there_after_the_listing_leads_nowhere(claim: Path) -> None:
    put(claim / "team" / "tiny", with_sums(chat_model()))
    with open_source(arguments(claim)) as listing:
        _at(f"team/tiny/{WEIGHTS}", "{moved}")(claim)
        entry = listing.manifest.get(WEIGHTS)
        assert entry is not None
        with pytest.raises(errors.UnsafePath, match="links are not followed"), listing.open(entry, 0):
            pass


def test_a_folder_that_is_swapped_after_the_listing_is_still_the_one_that_was_listed(claim: Path) -> None:
    put(claim / "team" / "tiny", with_sums(chat_model()))
    with open_source(arguments(claim)) as listing:
        _at("team/tiny", "/etc")(claim)
        entry = listing.manifest.get(WEIGHTS)
        assert entry is not None
        with listing.open(entry, 10, 20) as answer:
            assert b"".join(answer.chunks) == chat_model()[WEIGHTS][10:30]


@pytest.mark.parametrize("path", ["../etc", "team/../../etc", "team//tiny", "./team", "team\\tiny"])
def test_a_path_out_of_the_claim_is_refused(path: str, claim: Path, patience: Patience) -> None:
    put(claim / "team" / "tiny", chat_model())
    with pytest.raises(errors.UnsafePath, match="expected"):
        resolve(arguments(claim, f"pvc://models/{path}"), Task.AUTO, patience)


@pytest.mark.parametrize("files", [chat_model(), with_sums(chat_model())], ids=["hashed", "with sums"])
def test_a_file_that_changes_between_resolve_and_prepare_is_told(
    files: dict[str, bytes], claim: Path, patience: Patience, tmp_path: Path
) -> None:
    put(claim / "team" / "tiny", files)
    digest = str(resolve(arguments(claim), Task.AUTO, patience)["digest"])
    other = bytearray(files[WEIGHTS])
    other[-1] ^= 1
    put(claim / "team" / "tiny", {WEIGHTS: bytes(other)})
    with pytest.raises(errors.DigestMismatch):
        prepared(claim, digest, patience, tmp_path / "weights")
    assert not (tmp_path / "repository").exists()


def test_a_file_that_changes_its_size_after_the_listing_is_told_at_once(claim: Path) -> None:
    put(claim / "team" / "tiny", with_sums(chat_model()))
    with open_source(arguments(claim)) as listing:
        entry = listing.manifest.get(WEIGHTS)
        assert entry is not None
        put(claim / "team" / "tiny", {WEIGHTS: b"short"})
        with pytest.raises(errors.DigestMismatch, match="has 5 bytes"), listing.open(entry, 0):
            pass


def test_another_file_of_the_same_size_is_another_version(claim: Path) -> None:
    put(claim / "team" / "tiny", chat_model())
    with open_source(arguments(claim)) as listing:
        entry = listing.manifest.get(WEIGHTS)
        assert entry is not None
        with listing.open(entry, 0, 1) as before:
            pass
        place = claim / "team" / "tiny" / WEIGHTS
        (place.parent / "new").write_bytes(place.read_bytes())
        (place.parent / "new").rename(place)
        with listing.open(entry, 1, 1) as after:
            assert after.version.differs(before.version)


ABSENT = {
    "no such folder": ("pvc://models/none", "none is not there"),
    "a file where a folder should be": ("pvc://models/team/tiny/config.json", r"config\.json is not there"),
}


@pytest.mark.parametrize(("uri", "words"), ABSENT.values(), ids=ABSENT.keys())
def test_what_is_not_there_is_not_found(uri: str, words: str, claim: Path, patience: Patience) -> None:
    put(claim / "team" / "tiny", chat_model())
    with pytest.raises(errors.SourceNotFound, match=words):
        resolve(arguments(claim, uri), Task.AUTO, patience)


def test_a_file_that_only_sums_know_is_not_found(claim: Path, patience: Patience) -> None:
    put(claim / "team" / "tiny", with_sums(chat_model()))
    (claim / "team" / "tiny" / WEIGHTS).unlink()
    with pytest.raises(errors.SourceNotFound, match=r"model\.safetensors is not there"):
        resolve(arguments(claim), Task.AUTO, patience)


def test_a_volume_that_is_no_model_is_not_read_to_its_end(claim: Path, patience: Patience) -> None:
    (claim / "many").mkdir()
    for number in range(10_001):
        (claim / "many" / str(number)).touch()
    with pytest.raises(errors.InvalidModel, match="more than 10000 files"):
        resolve(arguments(claim, "pvc://models/many"), Task.AUTO, patience)


def test_no_credentials_and_no_host_are_needed(claim: Path, tmp_path: Path) -> None:
    put(claim / "team" / "tiny", chat_model())
    code, report = command.run(
        tmp_path, "resolve", "--uri", "pvc://models/team/tiny", "--claim", str(claim), "--egress", "/nothing"
    )
    assert code == 0, report
    assert report["task"] == "Chat"


def test_without_a_mounted_claim_it_says_so(patience: Patience) -> None:
    with pytest.raises(errors.InvalidArgument, match="--claim: expected the folder where"):
        resolve(SourceArguments(uri="pvc://models/a"), Task.AUTO, patience)
