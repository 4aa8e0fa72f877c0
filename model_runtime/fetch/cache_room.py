"""Room in the cache: the least recently used models go until another fits. Called by `cache`.

What a model takes is what its manifest says, from the moment it is begun; a file of several models counts once. Models
that are locked stay. The decision is pure; `make_room` carries it out while it holds the lock `room`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from model_runtime.fetch.cache_folder import CachedModel, CacheError, CacheFolder
from model_runtime.fetch.cache_lock import Mode, try_lock
from model_runtime.fetch.retry import Clock
from model_runtime.manifest import FileEntry, Manifest

# Of a volume whose bound nobody states: the rest is for the file system, and for what else lies there.
DEFAULT_PERCENT = 90
SPARE_BYTES = 16 << 20
_ROOM = "room"
_ROOM_SECONDS = 30.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Room:
    """What limits the cache, in bytes: its bound, and what its volume still takes beside what it holds."""

    limit: int
    free: int


def to_evict(
    idle: Iterable[CachedModel], in_use: Iterable[CachedModel], wanted: Iterable[FileEntry], room: Room
) -> tuple[str, ...] | None:
    """Return which of the idle models have to go so that the wanted files fit, the least recently used first.

    None when they do not fit even without all of the idle ones.
    """
    stays, new = [*in_use], {entry.digest: entry.size for entry in wanted}
    going = sorted(idle, key=lambda model: model.last_used)
    before = sum(_sizes([*stays, *going]).values())
    for count in range(len(going) + 1):
        after = sum((_sizes([*stays, *going[count:]]) | new).values())
        fits_volume = after <= before or after - before + SPARE_BYTES <= room.free
        if after <= room.limit and fits_volume:
            return tuple(model.name for model in going[:count])
    return None


def _sizes(models: Iterable[CachedModel]) -> dict[str, int]:
    return {entry.digest: entry.size for model in models for entry in model.manifest.files}


def limit_of(folder: CacheFolder, limit_bytes: int | None) -> int:
    """Return the bound in bytes; without one it is a part of the volume."""
    return folder.size_bytes() * DEFAULT_PERCENT // 100 if limit_bytes is None else limit_bytes


def make_room(
    folder: CacheFolder, model: str, manifest: Manifest, limit: int, *, clock: Clock, say: Callable[[str], None]
) -> bool:
    """Evict what must go and begin the model, whose lock the caller holds; False when it does not fit.

    Raises:
        CacheError: the volume refuses it, or another process makes room and does not come to an end.

    """
    with _room_lock(folder, clock), _surveyed(folder, besides=model) as (idle, in_use):
        folder.sweep(folder.models())
        already = CachedModel(model, 0.0, Manifest(tuple(filter(folder.has, manifest.files))))
        evicted = to_evict(idle, [*in_use, already], manifest.files, Room(limit, folder.free_bytes()))
        if evicted is None:
            return False
        folder.begin(model, manifest)
        _evict(folder, evicted, say)
        return True


def trim(folder: CacheFolder, limit: int, clock: Clock, say: Callable[[str], None]) -> None:
    """Bring the cache below its bound, as far as its models are idle, and remove what killed writers left.

    Raises:
        CacheError: as make_room.

    """
    with _room_lock(folder, clock), _surveyed(folder) as (idle, in_use):
        evicted = to_evict(idle, in_use, (), Room(limit, 0))
        _evict(folder, [model.name for model in idle] if evicted is None else evicted, say)


def _evict(folder: CacheFolder, models: Iterable[str], say: Callable[[str], None]) -> None:
    for model in models:
        folder.forget(model)
        say(f"cache: sha256:{model} goes, it was used least recently")
    folder.sweep(folder.models())


@contextmanager
def _room_lock(folder: CacheFolder, clock: Clock) -> Iterator[None]:
    deadline = clock.now() + _ROOM_SECONDS
    while (held := try_lock(folder.root, _ROOM, Mode.EXCLUSIVE)) is None:
        if clock.now() > deadline:
            raise CacheError(f"another process has been making room for {_ROOM_SECONDS:.0f} s")
        clock.sleep(_POLL_SECONDS)
    with held:
        yield


@contextmanager
def _surveyed(folder: CacheFolder, besides: str = "") -> Iterator[tuple[list[CachedModel], list[CachedModel]]]:
    """Give the models that nobody uses, each locked until the block ends, and those that somebody does."""
    idle, in_use = [], []
    with ExitStack() as stack:
        for name in folder.strays():
            if name != besides and (held := try_lock(folder.locks, name, Mode.EXCLUSIVE)) is not None:
                with held:
                    folder.clear(name)
        for model in folder.models():
            if model.name == besides:
                continue
            held = try_lock(folder.locks, model.name, Mode.EXCLUSIVE)
            if held is None:
                in_use.append(model)
            else:
                stack.enter_context(held)
                idle.append(model)
        yield idle, in_use
