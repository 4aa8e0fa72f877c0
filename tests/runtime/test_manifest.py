"""The manifest: order, uniqueness, safe paths, and a digest that depends on nothing else."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.errors import InvalidModel, ModelRuntimeError, UnsafeFile
from model_runtime.manifest import FileEntry, Manifest, check_path, is_manifest_digest, parse_sums

ZERO = f"sha256:{'0' * 64}"
SHA1 = f"git-sha1:{'a' * 40}"

names = st.text("abcdefgh._-é", min_size=1, max_size=8).filter(lambda name: name not in {".", ".."})
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


def test_the_canonical_text_is_the_documented_one() -> None:
    manifest = Manifest.of([FileEntry("config.json", 12, SHA1), FileEntry("a/b", 0, ZERO)])
    assert manifest.text() == f"{ZERO}  0  a/b\n{SHA1}  12  config.json\n"
    assert manifest.digest() == "sha256:971132ddc017b9f4117079d931f150521507d876a29963b59b15d240abafd92c"
    assert manifest.size == 12


UNSAFE = ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "./a", ".", "a\\b", "a\nb", "a\0b", "x" * 600]


@pytest.mark.parametrize("path", UNSAFE)
def test_a_path_that_may_leave_the_folder_is_refused(path: str) -> None:
    with pytest.raises(UnsafeFile, match="expected"):
        check_path(path)


@pytest.mark.parametrize("digest", ["", "sha256:", f"sha256:{'A' * 64}", f"md5:{'0' * 32}", f"sha256:{'0' * 63}"])
def test_a_digest_of_another_form_is_refused(digest: str) -> None:
    assert not is_manifest_digest(digest)
    with pytest.raises(InvalidModel, match="expected sha256"):
        FileEntry("a", 1, digest)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(InvalidModel, match="size -1"):
        FileEntry("a", -1, ZERO)


LISTS = [
    ("no file", [], "0 files"),
    ("the same path twice", ["a", "a"], "twice"),
    ("a file that is also a folder", ["a", "a/b"], "both as a file and as a folder"),
]


@pytest.mark.parametrize(("sentence", "listed", "says"), LISTS, ids=[case[0] for case in LISTS])
def test_a_list_that_is_no_folder_is_refused(sentence: str, listed: list[str], says: str) -> None:
    with pytest.raises(InvalidModel, match=says):
        Manifest.of(FileEntry(path, 0, ZERO) for path in listed)


@given(st.dictionaries(paths, st.integers(0, 2**40), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_the_order(sizes: dict[str, int], shuffler: random.Random) -> None:
    entries = [FileEntry(path, size, ZERO) for path, size in sizes.items()]
    if any(f"{other}/" == path[: len(other) + 1] for path in sizes for other in sizes):
        return
    shuffled = entries[:]
    shuffler.shuffle(shuffled)
    assert Manifest.of(entries).digest() == Manifest.of(shuffled).digest()
    changed = [FileEntry(entries[0].path, entries[0].size + 1, ZERO), *entries[1:]]
    assert Manifest.of(entries).digest() != Manifest.of(changed).digest()


@given(st.dictionaries(paths, st.binary(min_size=32, max_size=32), max_size=8), st.sampled_from([" ", "*"]))
def test_sums_are_read_as_they_are_written(hashes: dict[str, bytes], mode: str) -> None:
    text = "".join(f"{digest.hex()} {mode}{path}\n" for path, digest in hashes.items())
    assert parse_sums(text) == {path: f"sha256:{digest.hex()}" for path, digest in hashes.items()}


@given(st.text(max_size=200))
def test_any_text_gives_sums_or_a_reason(text: str) -> None:
    try:
        sums = parse_sums(text)
    except ModelRuntimeError:
        return
    for path, digest in sums.items():
        FileEntry(path, 0, digest)


def test_sums_may_carry_dots_and_carriage_returns() -> None:
    assert parse_sums(f"{'AB' * 32} *./a b\r\n\n") == {"a b": f"sha256:{'ab' * 32}"}


@pytest.mark.parametrize("line", ["# comment", "abc  file", f"{'0' * 64} file", f"\\{'0' * 64}  a\\nb"])
def test_a_line_of_another_form_is_named_by_its_number(line: str) -> None:
    with pytest.raises(InvalidModel, match="SHA256SUMS line 2"):
        parse_sums(f"{'0' * 64}  a\n{line}\n")


def test_a_path_listed_twice_is_refused() -> None:
    with pytest.raises(InvalidModel, match="line 2: a is listed twice"):
        parse_sums(f"{'0' * 64}  a\n{'1' * 64}  ./a\n")
