"""The cache on its volume: blobs by digest and the manifests that name them. Called by `cache` and `cache_room`.

    manifests/<model>         a manifest's canonical text; its modification time is when the model was last used
    blobs/sha256/<hex>        the content of a file, likewise blobs/git-sha1/<hex>
    tmp/<model>               what is being written for a model
    locks/<model>, room       what `cache_lock` locks

<model> is the SHA-256 of the manifest in hex. Others may write to the volume: everything is opened below the folder's
descriptor and no link is followed, only regular files of the right size count, and whoever uses bytes hashes them.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from model_runtime.errors import DigestMismatch, ModelRuntimeError, SourceNotFound
from model_runtime.fetch.source import CHUNK_BYTES, Answer, Chunks
from model_runtime.manifest import FileEntry, Manifest, parse_manifest

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A pipe in place of a file must not make the opening wait.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_BLOBS = {"sha256": re.compile(r"[0-9a-f]{64}"), "git-sha1": re.compile(r"[0-9a-f]{40}")}
_MODEL = _BLOBS["sha256"]
# Ten thousand files with long paths.
_MAX_MANIFEST_BYTES = 8 << 20
_PIECE_BYTES = 64 << 20


class CacheError(Exception):
    """The cache cannot be used; the model is then fetched without it."""


@contextmanager
def cache_errors() -> Iterator[None]:
    """Turn what the volume refuses into a CacheError."""
    try:
        yield
    except OSError as error:
        raise CacheError(str(error)) from error


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A model of which the cache holds the manifest, and when it was last used, in seconds since 1970."""

    name: str
    last_used: float
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """Descriptors of the folder and of those in it."""

    root: int
    manifests: int
    locks: int
    tmp: int
    sha256: int
    git_sha1: int

    def manifest(self, model: str) -> Manifest | None:
        """Return the manifest of a model; None where there is none, or another text than its name says."""
        with cache_errors():
            file = _open_regular(self.manifests, model)
        if file is None:
            return None
        with cache_errors(), file:
            text = file.read(_MAX_MANIFEST_BYTES)
        if hashlib.sha256(text).hexdigest() != model:
            return None
        with suppress(ModelRuntimeError, UnicodeDecodeError):
            return parse_manifest(text.decode())
        return None

    def models(self) -> tuple[CachedModel, ...]:
        """Return all models; a manifest that is none is removed."""
        found = []
        for name in self._names(self.manifests, _MODEL):
            manifest = self.manifest(name)
            if manifest is None:
                self._remove(self.manifests, name)
            else:
                used = os.stat(name, dir_fd=self.manifests, follow_symlinks=False).st_mtime
                found.append(CachedModel(name, used, manifest))
        return tuple(found)

    def has(self, entry: FileEntry) -> bool:
        """Tell whether there is a file of the right size under the digest; its bytes are nobody's word yet."""
        try:
            found = os.stat(_hex(entry), dir_fd=self._blobs(entry), follow_symlinks=False)
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == entry.size

    def open(self, entry: FileEntry) -> BinaryIO | None:
        """Open the content of a file; None where there is none."""
        with cache_errors():
            return _open_regular(self._blobs(entry), _hex(entry))

    @contextmanager
    def open_file(self, entry: FileEntry, offset: int, length: int | None = None) -> Iterator[Answer]:
        """Give a file's bytes as a source does (`source.OpenFile`).

        Raises:
            SourceNotFound: the cache does not have it.
            DigestMismatch: by the chunks, when the volume cannot read it.

        """
        file = self.open(entry) if self.has(entry) else None
        if file is None:
            raise SourceNotFound(f"{entry.path} is not in the cache")
        with file:
            yield Answer(_chunks(file, entry, offset, length))

    def is_whole(self, model: str) -> bool:
        """Tell whether the cache has all files of a model."""
        manifest = self.manifest(model)
        return manifest is not None and all(map(self.has, manifest.files))

    def begin(self, model: str, manifest: Manifest) -> None:
        """Write the manifest: from now on its blobs belong to a model, and their place is taken."""
        with cache_errors():
            with os.fdopen(self._new(model), "wb") as file:
                file.write(manifest.text().encode())
            os.rename(model, model, src_dir_fd=self.tmp, dst_dir_fd=self.manifests)

    def put(self, model: str, entry: FileEntry, source: Path) -> None:
        """Copy a file into the cache, where it is not there yet; its bytes were verified when they were fetched."""
        if self.has(entry):
            return
        with cache_errors():
            with source.open("rb") as file, os.fdopen(self._new(model), "wb") as blob:
                while os.sendfile(blob.fileno(), file.fileno(), None, _PIECE_BYTES):
                    pass
                os.fsync(blob.fileno())
            os.rename(model, _hex(entry), src_dir_fd=self.tmp, dst_dir_fd=self._blobs(entry))
            os.fsync(self._blobs(entry))

    def use(self, model: str) -> None:
        """Remember that the model was used just now."""
        with cache_errors(), suppress(FileNotFoundError):
            os.utime(model, dir_fd=self.manifests, follow_symlinks=False)

    def drop(self, entry: FileEntry, damaged: BinaryIO) -> None:
        """Remove the blob that `damaged` was opened on, unless another took its place meanwhile."""
        with cache_errors(), suppress(FileNotFoundError):
            now = os.stat(_hex(entry), dir_fd=self._blobs(entry), follow_symlinks=False)
            if os.path.samestat(now, os.fstat(damaged.fileno())):
                os.unlink(_hex(entry), dir_fd=self._blobs(entry))

    def forget(self, model: str) -> None:
        """Remove a model, whose lock the caller holds; its blobs go with the next sweep where no other has them."""
        self._remove(self.manifests, model)
        self.clear(model)

    def sweep(self, models: tuple[CachedModel, ...]) -> None:
        """Remove the blobs that no model has."""
        kept = {entry.digest for model in models for entry in model.manifest.files}
        for algorithm, folder in self._algorithms():
            for name in self._names(folder, _BLOBS[algorithm]):
                if f"{algorithm}:{name}" not in kept:
                    self._remove(folder, name)

    def strays(self) -> tuple[str, ...]:
        """Return what something is written for, or was when its writer was killed, and locks without a model."""
        locks = {*self._names(self.locks, _MODEL)} - {*self._names(self.manifests, _MODEL)}
        return tuple(sorted(locks.union(self._names(self.tmp, _MODEL))))

    def clear(self, model: str) -> None:
        """Remove what a killed writer left of what is no model, and the lock, which the caller holds."""
        self._remove(self.tmp, model)
        self._remove(self.locks, model)

    def size_bytes(self) -> int:
        """Return the size of the volume."""
        with cache_errors():
            volume = os.fstatvfs(self.root)
        return volume.f_blocks * volume.f_frsize

    def free_bytes(self) -> int:
        """Return how much the volume still takes."""
        with cache_errors():
            volume = os.fstatvfs(self.root)
        return volume.f_bavail * volume.f_frsize

    def _algorithms(self) -> tuple[tuple[str, int], ...]:
        return (("sha256", self.sha256), ("git-sha1", self.git_sha1))

    def _blobs(self, entry: FileEntry) -> int:
        return dict(self._algorithms())[entry.digest.partition(":")[0]]

    def _new(self, model: str) -> int:
        self._remove(self.tmp, model)
        return os.open(model, _NEW, 0o660, dir_fd=self.tmp)

    def _names(self, folder: int, form: re.Pattern[str]) -> tuple[str, ...]:
        """Return the files whose names are ours; whatever else lies there is left alone."""
        with cache_errors():
            return tuple(sorted(name for name in os.listdir(folder) if form.fullmatch(name)))

    def _remove(self, folder: int, name: str) -> None:
        with cache_errors(), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


@contextmanager
def open_cache(root: Path) -> Iterator[CacheFolder]:
    """Open the cache, making what is not there yet.

    Raises:
        CacheError: the volume does not let us, or has a link where a folder should be.

    """
    with ExitStack() as stack:

        def folder(name: str, parent: int | None = None) -> int:
            if parent is not None:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o770, dir_fd=parent)
            descriptor = os.open(name, _FOLDER, dir_fd=parent)
            stack.callback(os.close, descriptor)
            return descriptor

        with cache_errors():
            top = folder(str(root))
            manifests, locks, tmp, blobs = (folder(name, top) for name in ("manifests", "locks", "tmp", "blobs"))
            sha256, git_sha1 = (folder(name, blobs) for name in _BLOBS)
        yield CacheFolder(top, manifests, locks, tmp, sha256, git_sha1)


def _chunks(file: BinaryIO, entry: FileEntry, offset: int, length: int | None) -> Chunks:
    left = entry.size - offset if length is None else length
    try:
        file.seek(offset)
        while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk
    except OSError as error:
        raise DigestMismatch(f"{entry.path}: the cache cannot read it: {error}") from error


def model_name(digest: str) -> str:
    """Return the name of a model in the cache, from the digest of its manifest."""
    return digest.removeprefix("sha256:")


def _hex(entry: FileEntry) -> str:
    return entry.digest.partition(":")[2]


def _open_regular(folder: int, name: str) -> BinaryIO | None:
    """Open a regular file; anything else counts as nothing."""
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")
