"""Fetches a model through a cache that the pods of a namespace share (`--cache`), and without it when that fails.

    whole in the cache   copied to the pod's volume and hashed on the way; the source is not asked for anything
    not (quite) there    one pod fetches it to its own volume and puts it into the cache; the others wait for it
    does not fit, volume read-only, full or without locks   fetched as without a cache, which the log says

Called by `prepare`. Nothing in the cache is trusted: other pods can write to it, so each use verifies every byte.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from model_runtime.errors import DigestMismatch, SourceNotFound
from model_runtime.fetch.cache_folder import CacheError, CacheFolder, model_name, open_cache
from model_runtime.fetch.cache_lock import Beat, Held, Mode, beating, read_beat, try_lock
from model_runtime.fetch.cache_room import limit_of, make_room, trim
from model_runtime.fetch.download import download
from model_runtime.fetch.hasher import Hasher
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.retry import Patience
from model_runtime.fetch.source import CHUNK_BYTES, Listing
from model_runtime.manifest import FileEntry, Manifest

POLL_SECONDS = 0.5
# A holder writes every second; one that was silent for so long is frozen, or its node is gone.
STALLED_SECONDS = 60.0
# One to notice damage, one to fetch what was damaged, one for what others do meanwhile.
_TURNS = 3


@dataclass(frozen=True, slots=True)
class Cache:
    """Where the cache is and how many bytes of models it may hold; None for a part of its volume."""

    root: Path
    limit_bytes: int | None
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fetch:
    """A model to be fetched: its digest, how its source is listed (and checked by the digest), and where it goes."""

    digest: str
    listing: Callable[[], Listing]
    folder: Path
    patience: Patience
    progress: Progress

    @property
    def model(self) -> str:
        """The model's name in the cache."""
        return model_name(self.digest)

    def fill(self, listing: Listing) -> None:
        """Bring what a listing has to the pod's volume; what is there is hashed and stays."""
        download(listing, self.folder, self.patience, self.progress)

    def from_source(self) -> Manifest:
        """Fetch it without a cache."""
        listing = self.listing()
        self.fill(listing)
        return listing.manifest


def fetch_through(cache: Cache | None, fetch: Fetch) -> Manifest:
    """Bring the model to the pod's volume, and into the cache where there is one; return its manifest.

    Raises:
        ModelRuntimeError: from the source, or InsufficientDisk of the pod's own volume; never because of the cache.

    """
    if cache is None:
        return fetch.from_source()
    try:
        with open_cache(cache.root) as folder:
            manifest = _fetch(cache, folder, fetch)
            _tidy(cache, folder, fetch)
            return manifest
    except CacheError as error:
        cache.say(f"cache: not used: {error}")
    return fetch.from_source()


def _fetch(cache: Cache, folder: CacheFolder, fetch: Fetch) -> Manifest:
    for _ in range(_TURNS):
        with _turn(cache, folder, fetch) as held:
            if held.mode is Mode.EXCLUSIVE:
                with beating(held.descriptor, fetch.progress):
                    return _fetch_and_keep(cache, folder, fetch)
            manifest = folder.manifest(fetch.model)
            if manifest is not None and _copy(cache, folder, fetch, manifest):
                cache.say("cache: the model is whole in it, its source was asked for nothing")
                return manifest
    raise CacheError("it is damaged again and again")


@contextmanager
def _turn(cache: Cache, folder: CacheFolder, fetch: Fetch) -> Iterator[Held]:
    """Hold the model's lock: shared where the model is whole, exclusive where this process is to fetch it."""
    waiting = _Waiting(cache, fetch, fetch.patience.clock.now())
    while (held := _try(folder, fetch.model)) is None:
        fetch.patience.check(fetch.digest)
        waiting.see(read_beat(folder.locks, fetch.model))
        fetch.patience.clock.sleep(POLL_SECONDS)
    with held:
        yield held


def _try(folder: CacheFolder, model: str) -> Held | None:
    for mode in Mode:
        held = try_lock(folder.locks, model, mode)
        if held is None:
            continue
        if folder.is_whole(model) == (mode is Mode.SHARED):
            return held
        held.release()
    return None


@dataclass(slots=True)
class _Waiting:
    """Waits for another pod that fetches the model: tells how far that one is, and notices when it is frozen."""

    cache: Cache
    fetch: Fetch
    since: float
    beat: Beat | None = None
    _told: bool = field(default=False, init=False)
    _done: int = field(default=0, init=False)

    def see(self, beat: Beat | None) -> None:
        """Take what the holder wrote last.

        Raises:
            CacheError: it has written nothing for long.

        """
        now = self.fetch.patience.clock.now()
        if beat == self.beat:
            if now - self.since > STALLED_SECONDS:
                raise CacheError(
                    f"the pod that fetches this model into it has been silent for {now - self.since:.0f} s"
                )
            return
        # What is there at first may be what a dead holder wrote.
        if beat is not None and beat.total and self.beat is not None:
            self._tell(beat)
        self.beat, self.since = beat, now

    def _tell(self, beat: Beat) -> None:
        progress = self.fetch.progress
        if not self._told:
            self.cache.say("cache: another pod fetches this model into it: waiting")
            progress.begin(beat.total)
            self._told = True
        count = beat.done - self._done
        (progress.add if count > 0 else progress.find)(count)
        self._done = beat.done


def _copy(cache: Cache, folder: CacheFolder, fetch: Fetch, manifest: Manifest) -> bool:
    """Copy files from the cache as from any source, by digest; False when one was damaged, which is then dropped."""
    try:
        fetch.fill(Listing(fetch.digest, manifest, folder.open_file))
    except (DigestMismatch, SourceNotFound) as error:
        dropped = [entry for entry in manifest.files if _drop_damaged(folder, entry)]
        for entry in dropped:
            cache.say(f"cache: {entry.path} was damaged and is dropped: it is fetched from the source")
        if not dropped:
            raise CacheError(f"it changes while it is read: {error}") from error
        return False
    return True


def _drop_damaged(folder: CacheFolder, entry: FileEntry) -> bool:
    file = folder.open(entry)
    if file is None:
        return True
    with file:
        hasher = Hasher.of(entry)
        with suppress(OSError):
            while chunk := file.read(CHUNK_BYTES):
                hasher.update(chunk)
        if hasher.digest() == entry.digest:
            return False
        folder.drop(entry, file)
    return True


def _fetch_and_keep(cache: Cache, folder: CacheFolder, fetch: Fetch) -> Manifest:
    """Fetch from the source what the cache does not have, and put it there; the caller holds the model's lock.

    Raises:
        CacheError: there is no room for the model.

    """
    listing = fetch.listing()
    manifest, clock = listing.manifest, fetch.patience.clock
    limit = limit_of(folder, cache.limit_bytes)
    if not make_room(folder, fetch.model, manifest, limit, clock=clock, say=cache.say):
        raise CacheError(f"{manifest.size} bytes of model do not fit below its bound of {limit} bytes")
    if there := tuple(filter(folder.has, manifest.files)):
        _copy(cache, folder, fetch, Manifest(there))
    fetch.fill(listing)
    _keep(cache, folder, fetch, manifest)
    return manifest


def _keep(cache: Cache, folder: CacheFolder, fetch: Fetch, manifest: Manifest) -> None:
    """Put the files into the cache. What it refuses is no failure: the model is on the pod's own volume."""
    try:
        for entry in manifest.files:
            folder.put(fetch.model, entry, fetch.folder / entry.path)
    except CacheError as error:
        cache.say(f"cache: the model is not kept in it: {error}")
        folder.forget(fetch.model)
        return
    cache.say(f"cache: keeps the model, {manifest.size} bytes")


def _tidy(cache: Cache, folder: CacheFolder, fetch: Fetch) -> None:
    """Remember that the model was used, and bring the cache below its bound."""
    try:
        folder.use(fetch.model)
        trim(folder, limit_of(folder, cache.limit_bytes), fetch.patience.clock, cache.say)
    except CacheError as error:
        cache.say(f"cache: not tidied: {error}")
