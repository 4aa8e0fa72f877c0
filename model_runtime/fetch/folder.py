"""Models in a folder of a volume: `pvc://claim/path`, where the claim is mounted at `--claim`.

Nothing on the way may be a link: each part of a path is opened from the folder that holds it and never followed, so
that one that is put there between two looks leads nowhere either. Digests come from the folder's `SHA256SUMS`, else
from the bytes of the files, which are then all read while they are listed.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import NoReturn

from model_runtime.arguments import SourceArguments
from model_runtime.errors import (
    DigestMismatch,
    InvalidArgument,
    InvalidModel,
    SourceNotFound,
    SourceUnauthorized,
    SourceUnreachable,
    UnsafePath,
)
from model_runtime.fetch.source import CHUNK_BYTES, Answer, Chunks, Listing, Version, listing_by_digest
from model_runtime.manifest import SUMS_NAME, FileEntry, Manifest, check_path, parse_sums
from model_runtime.selection import select

_MAX_SUMS_BYTES = 4 << 20
# Of one folder with all below it: far above any model, far below a volume that somebody mistook for one.
_MAX_FILES = 10_000
_PARALLEL_FILES = 4
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# Without O_NONBLOCK, opening a pipe waits for somebody to write to it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
# What mkfs makes at the root of an ext volume; nobody but root may look into it.
_OF_THE_FILE_SYSTEM = "lost+found"


@contextmanager
def folder_listing(arguments: SourceArguments) -> Iterator[Listing]:
    """Give the listing of a `pvc://` folder."""
    path = arguments.uri.partition("://")[2].partition("/")[2].rstrip("/")
    if arguments.claim is None:
        raise InvalidArgument("--claim: expected the folder where the claim of --uri is mounted")
    if path:
        check_path(path)
    with ExitStack() as stack:
        at = _enter(stack, None, str(arguments.claim), arguments.uri)
        for part in path.split("/") if path else ():
            at = _enter(stack, at, part, arguments.uri)
        folder = _Folder(at, arguments.uri)
        yield listing_by_digest(arguments.revision, folder.manifest(arguments.file), folder.open)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The model's folder, by its descriptor; `uri` is for messages."""

    descriptor: int
    uri: str

    def manifest(self, file: str | None) -> Manifest:
        """List the model's files with their digests: those of SHA256SUMS, if it is there, else those of their bytes."""
        try:
            sums = self._sums()
        except SourceNotFound:
            paths = select(self._walk(), file)
            with ThreadPoolExecutor(_PARALLEL_FILES) as pool:
                return Manifest.of(pool.map(self._hashed, paths))
        return Manifest.of(FileEntry(path, self._size(path), sums[path]) for path in select(sums, file))

    @contextmanager
    def open(self, entry: FileEntry, offset: int, length: int | None = None) -> Iterator[Answer]:
        """Give a file's bytes as OpenFile says; one whose size is not the listed one has changed since."""
        with self._opened(entry.path) as (file, found):
            if found.st_size != entry.size:
                raise DigestMismatch(f"{entry.path}: has {found.st_size} bytes: expected the {entry.size} listed")
            end = entry.size if length is None else offset + length
            version = Version(etag=f"{found.st_ino}-{found.st_mtime_ns}")
            yield Answer(self._chunks(entry.path, file, offset, end), version)

    @contextmanager
    def _opened(self, path: str) -> Iterator[tuple[int, os.stat_result]]:
        """Give the descriptor of a regular file and what the file system says of it."""
        what = f"{self.uri.rstrip('/')}/{path}"
        *folders, name = path.split("/")
        with ExitStack() as stack:
            at = self.descriptor
            for part in folders:
                at = _enter(stack, at, part, what)
            file = _open(at, name, _FILE, what)
            stack.callback(os.close, file)
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise UnsafePath(f"{what}: expected a regular file")
            yield file, found

    def _chunks(self, path: str, file: int, offset: int, end: int) -> Chunks:
        try:
            while chunk := os.pread(file, min(CHUNK_BYTES, end - offset), offset):
                yield chunk
                offset += len(chunk)
        except OSError as error:
            raise SourceUnreachable(f"{self.uri}: {path}: {error.strerror}") from error

    def _size(self, path: str) -> int:
        with self._opened(path) as (_, found):
            return found.st_size

    def _sums(self) -> dict[str, str]:
        with self._opened(SUMS_NAME) as (file, found):
            if found.st_size > _MAX_SUMS_BYTES:
                raise InvalidModel(f"{SUMS_NAME}: {found.st_size} bytes: expected at most {_MAX_SUMS_BYTES}")
            content = b"".join(self._chunks(SUMS_NAME, file, 0, found.st_size))
        return parse_sums(content.decode(errors="replace"))

    def _hashed(self, path: str) -> FileEntry:
        hasher = hashlib.sha256()
        with self._opened(path) as (file, found):
            for chunk in self._chunks(path, file, 0, found.st_size):
                hasher.update(chunk)
        return FileEntry(path, found.st_size, f"sha256:{hasher.hexdigest()}")

    def _walk(self) -> list[str]:
        """Return the paths of all files in the folder and below it."""
        paths: list[str] = []
        for path in _paths(self.descriptor, "", self.uri):
            if len(paths) == _MAX_FILES:
                raise InvalidModel(f"{self.uri}: more than {_MAX_FILES} files: expected the folder of one model")
            paths.append(path)
        return paths


def _paths(folder: int, prefix: str, uri: str) -> Iterator[str]:
    with os.scandir(folder) as found:
        entries = sorted(islice(found, _MAX_FILES + 1), key=lambda entry: entry.name)
    for entry in entries:
        path = prefix + entry.name
        check_path(path)
        if entry.is_symlink():
            _refuse_link(f"{uri.rstrip('/')}/{path}")
        if not entry.is_dir(follow_symlinks=False):
            yield path
        elif entry.name != _OF_THE_FILE_SYSTEM:
            with ExitStack() as stack:
                yield from _paths(_enter(stack, folder, entry.name, f"{uri}/{path}"), f"{path}/", uri)


def _enter(stack: ExitStack, folder: int | None, name: str, what: str) -> int:
    """Return the descriptor of a folder inside another, which is closed with the stack."""
    inner = _open(folder, name, _FOLDER, what)
    stack.callback(os.close, inner)
    return inner


def _open(folder: int | None, name: str, flags: int, what: str) -> int:
    """Open one part of a path from the folder that holds it.

    Raises:
        UnsafePath: it is a link, or a socket.
        SourceNotFound: it is not there, or no folder where one is expected.
        SourceUnauthorized: this user may not read it.
        SourceUnreachable: the volume does not answer as it should.

    """
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR} and _is_link(folder, name):
            _refuse_link(what)
        if error.errno == errno.ENXIO:
            raise UnsafePath(f"{what}: expected a regular file") from error
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            raise SourceNotFound(f"{what}: {name} is not there") from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise SourceUnauthorized(f"{what}: user {os.getuid()} may not read {name}") from error
        raise SourceUnreachable(f"{what}: {error.strerror}") from error


def _is_link(folder: int | None, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _refuse_link(what: str) -> NoReturn:
    raise UnsafePath(f"{what}: links are not followed: expected plain files and folders")
