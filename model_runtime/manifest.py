"""The manifest of a model: which files it has, how large they are and what their bytes must hash to.

Sources build it (`fetch`), `resolve` turns it into the digest that goes to the status of the ModelDeployment, and
`prepare` refuses anything else. Pure values and functions; the canonical text is defined in docs/architecture.md.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from model_runtime.errors import InvalidModel, UnsafePath

SUMS_NAME = "SHA256SUMS"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|git-sha1:[0-9a-f]{40}")
_MANIFEST_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# GNU coreutils: 64 hex digits, a space, then a space (text) or an asterisk (binary), then the name.
_SUMS_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")
_MANIFEST_LINE = re.compile(r"(\S{1,80})  ([0-9]{1,18})  (.+)")
# Far above any model (the largest published ones have some 200 files), far below what exhausts memory.
_MAX_FILES = 10_000
_MAX_PATH_CHARACTERS = 512


def is_manifest_digest(text: str) -> bool:
    """Tell whether the text is `sha256:` and 64 lower-case hex digits."""
    return _MANIFEST_DIGEST.fullmatch(text) is not None


def check_path(path: str) -> None:
    """Refuse a path that is not plainly inside the model's folder.

    Raises:
        UnsafePath: absolute, empty or overlong paths, `.` and `..`, backslashes and control characters.

    """
    parts = path.split("/")
    if len(path) > _MAX_PATH_CHARACTERS:
        raise UnsafePath(f"path of {len(path)} characters: expected at most {_MAX_PATH_CHARACTERS}")
    if any(part in {"", ".", ".."} for part in parts):
        raise UnsafePath(f"path {path[:80]!r}: expected a relative path without '.', '..' or empty parts")
    if "\\" in path or not path.isprintable():
        raise UnsafePath(f"path {path[:80]!r}: expected printable characters without a backslash")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: its path inside the folder, its size in bytes and its digest, `sha256:<hex>` or `git-sha1:<hex>`."""

    path: str
    size: int
    digest: str

    def __post_init__(self) -> None:
        """Check each field.

        Raises:
            UnsafePath: the path leaves the folder.
            InvalidModel: a negative size, or a digest of another form.

        """
        check_path(self.path)
        if self.size < 0:
            raise InvalidModel(f"{self.path}: size {self.size}: expected zero or more bytes")
        if not _DIGEST.fullmatch(self.digest):
            raise InvalidModel(
                f"{self.path}: digest {self.digest[:80]!r}: expected sha256:<64 hex> or git-sha1:<40 hex>"
            )


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a model, sorted by path, each path once."""

    files: tuple[FileEntry, ...]

    @classmethod
    def of(cls, files: Iterable[FileEntry]) -> "Manifest":
        """Sort the files by path.

        Raises:
            InvalidModel: no file, too many, or a path that is there twice or is also a folder.

        """
        ordered = tuple(sorted(files, key=lambda entry: entry.path))
        if not 0 < len(ordered) <= _MAX_FILES:
            raise InvalidModel(f"{len(ordered)} files: expected 1 to {_MAX_FILES}")
        paths = {entry.path for entry in ordered}
        if len(paths) < len(ordered):
            raise InvalidModel("the same path is listed twice")
        folders = {path[:index] for path in paths for index, letter in enumerate(path) if letter == "/"}
        if clash := sorted(paths & folders):
            raise InvalidModel(f"{clash[0]} is listed both as a file and as a folder")
        return cls(ordered)

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(entry.size for entry in self.files)

    def text(self) -> str:
        """Return the canonical text: one line `<digest>  <size>  <path>` per file."""
        return "".join(f"{entry.digest}  {entry.size}  {entry.path}\n" for entry in self.files)

    def digest(self) -> str:
        """Return the model's digest: `sha256:` and the SHA-256 of the canonical text."""
        return f"sha256:{hashlib.sha256(self.text().encode()).hexdigest()}"

    def get(self, path: str) -> FileEntry | None:
        """Return the entry with this path, or None."""
        return next((entry for entry in self.files if entry.path == path), None)


def parse_sums(text: str) -> dict[str, str]:
    """Read a `SHA256SUMS` file as GNU sha256sum writes it: path → `sha256:<hex>`. A leading `./` is dropped.

    Raises:
        InvalidModel: a line of another form, with its number, or a path that is there twice.
        UnsafePath: a path that leaves the folder.

    """
    sums: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            path, digest = _parse_sums_line(number, line.removesuffix("\r"))
            if path in sums:
                raise InvalidModel(f"{SUMS_NAME} line {number}: {path} is listed twice")
            sums[path] = digest
    return sums


def _parse_sums_line(number: int, line: str) -> tuple[str, str]:
    match = _SUMS_LINE.fullmatch(line)
    if match is None:
        raise InvalidModel(f"{SUMS_NAME} line {number}: {line[:80]!r}: expected '<64 hex digits>  <path>'")
    path = match[2].removeprefix("./")
    check_path(path)
    return path, f"sha256:{match[1].lower()}"


def parse_manifest(text: str) -> Manifest:
    """Read the canonical text of a manifest, and nothing else.

    Raises:
        InvalidModel: a line of another form, or text that is not canonical.
        UnsafeFile: a path that leaves the folder.

    """
    lines = [_MANIFEST_LINE.fullmatch(line) for line in text.removesuffix("\n").split("\n")]
    manifest = Manifest.of(FileEntry(match[3], int(match[2]), match[1]) for match in lines if match is not None)
    if manifest.text() != text:
        raise InvalidModel(
            "a manifest that is not canonical: expected '<digest>  <size>  <path>' lines, sorted by path"
        )
    return manifest
