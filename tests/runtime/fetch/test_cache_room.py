"""Which models leave the cache so that another fits."""

import pytest

from model_runtime.fetch.cache_folder import CachedModel
from model_runtime.fetch.cache_room import SPARE_BYTES, Room, to_evict
from model_runtime.manifest import FileEntry, Manifest

PLENTY = 1 << 60


def _files(*names: str) -> tuple[FileEntry, ...]:
    """Return files of 10 bytes, whose letter is their digest."""
    return tuple(FileEntry(name, 10, f"sha256:{name * 64}") for name in names)


def _model(name: str, used: float, *files: str) -> CachedModel:
    return CachedModel(name, used, Manifest(_files(*files)))


OLD, NEW = _model("old", 1, "a"), _model("new", 2, "b")
CASES: list[tuple[str, list[CachedModel], list[CachedModel], tuple[FileEntry, ...], Room, tuple[str, ...] | None]] = [
    ("an empty cache", [], [], _files("c"), Room(10, PLENTY), ()),
    ("room for one more", [OLD, NEW], [], _files("c"), Room(30, PLENTY), ()),
    ("the least recently used goes first", [NEW, OLD], [], _files("c"), Room(20, PLENTY), ("old",)),
    ("both go", [NEW, OLD], [], _files("c"), Room(10, PLENTY), ("old", "new")),
    ("one in use stays", [NEW], [OLD], _files("c"), Room(20, PLENTY), ("new",)),
    ("nothing goes in vain", [NEW], [OLD], _files("c"), Room(10, PLENTY), None),
    ("larger than the bound", [OLD], [], _files("c", "d"), Room(19, PLENTY), None),
    ("a file that another model has takes no room", [OLD, NEW], [], _files("a"), Room(20, 0), ()),
    (
        "a file that two models share goes with the second",
        [OLD, _model("new", 2, "a")],
        [],
        _files("c"),
        Room(10, PLENTY),
        ("old", "new"),
    ),
    ("a bound that was lowered", [OLD, NEW], [], (), Room(10, 0), ("old",)),
    ("a bound of nothing", [OLD, NEW], [], (), Room(0, 0), ("old", "new")),
    ("a bound that what is in use exceeds", [NEW], [OLD], (), Room(5, 0), None),
    ("a volume with room", [OLD], [], _files("c"), Room(PLENTY, 10 + SPARE_BYTES), ()),
    ("a volume that is full makes room by what goes", [OLD], [], _files("c"), Room(PLENTY, 9), ("old",)),
    ("a volume that something else has filled", [], [], _files("c"), Room(PLENTY, 9 + SPARE_BYTES), None),
]


@pytest.mark.parametrize(
    ("idle", "in_use", "wanted", "room", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_has_to_go(
    idle: list[CachedModel],
    in_use: list[CachedModel],
    wanted: tuple[FileEntry, ...],
    room: Room,
    expected: tuple[str, ...] | None,
) -> None:
    assert to_evict(idle, in_use, wanted, room) == expected
