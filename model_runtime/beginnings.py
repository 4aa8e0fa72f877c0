"""What the first bytes of a file say it is: pickle and archives are told apart from what their names promise. Pure.

`inspection` asks this of every file that is fetched; nothing is unpickled or unpacked but the first bytes of gzip.
"""

import pickletools
import re
import zlib

from model_runtime.errors import PackedFile, PickledWeights, UnsafeFile

# A tar names itself at byte 257, and its first file begins at byte 512.
BEGINNING_BYTES = 1024

_PACKED = (
    ("gzip", re.compile(rb"\x1f\x8b\x08")),
    ("a zip archive", re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)")),
    ("zstd", re.compile(rb"\x28\xb5\x2f\xfd")),
    ("xz", re.compile(rb"\xfd7zXZ\x00")),
    ("bzip2", re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")),
    ("7z", re.compile(rb"7z\xbc\xaf\x27\x1c")),
    ("rar", re.compile(rb"Rar!\x1a\x07")),
    ("lz4", re.compile(rb"\x04\x22\x4d\x18")),
    ("a tar archive", re.compile(rb"(?s).{257}ustar")),
)
# Protocols 2 to 5. A text in UTF-8 never begins so.
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
# Protocols 0 and 1 begin like a text: only what pickletools reads as operations counts.
_OLD_PICKLE = re.compile(rb"[(c}\]]")
_PICKLED_NUMPY = re.compile(rb"(?s)\x93NUMPY.{1,120}'descr': *'?\|O")
_PICKLED_NAMES = re.compile(rb"(?s)PK\x03\x04.{26}[^\x00]{0,200}?(data\.pkl|\.pkl|\.pickle)")


def check_beginning(path: str, beginning: bytes) -> None:
    """Refuse what is no text: `beginning` holds the first BEGINNING_BYTES of the file, or all of a shorter one.

    Raises:
        PickledWeights: pickle, also in a zip or gzip, or a NumPy file of objects.
        PackedFile: an archive or a compressed file.

    """
    if error := foreign(path, beginning):
        raise error


def foreign(path: str, beginning: bytes) -> UnsafeFile | None:
    """Return why a file that begins like this is none of a model's, or None.

    A safetensors file may begin like anything, with the length of its header: it is asked only when that is wrong.
    """
    if _is_pickle(beginning):
        return PickledWeights(f"{path}: its bytes are a pickle, which can run code: convert to model.safetensors")
    packed = next((name for name, magic in _PACKED if magic.match(beginning)), None)
    if packed is None:
        return None
    if _PICKLED_NAMES.match(beginning) or _is_pickle(_first_of(beginning)):
        return PickledWeights(f"{path}: its bytes are {packed} with a pickle, which can run code: publish safetensors")
    return PackedFile(f"{path}: its bytes are {packed}: expected the plain file")


def foreign_binary(path: str, beginning: bytes) -> UnsafeFile | None:
    """Return as `foreign`, also for pickles of protocols 0 and 1, which a text could be mistaken for."""
    if _is_old_pickle(beginning):
        return PickledWeights(f"{path}: its bytes are a pickle, which can run code: convert to model.safetensors")
    return foreign(path, beginning)


def _is_pickle(beginning: bytes) -> bool:
    return bool(_PICKLE.match(beginning) or _PICKLED_NUMPY.match(beginning))


def _is_old_pickle(beginning: bytes) -> bool:
    """Tell whether every byte read belongs to an operation, up to the pickle's end or ours."""
    if not _OLD_PICKLE.match(beginning):
        return False
    try:
        return any(operation.name == "STOP" for operation, _, _ in pickletools.genops(beginning))
    except ValueError as error:
        return len(beginning) == BEGINNING_BYTES and "unknown" not in str(error)


def _first_of(beginning: bytes) -> bytes:
    """Return the first bytes inside gzip or tar, at most as many as lie before us."""
    if beginning.startswith(b"\x1f\x8b\x08"):
        try:
            return zlib.decompressobj(wbits=31).decompress(beginning, BEGINNING_BYTES)
        except zlib.error:
            return b""
    return beginning[512:]
