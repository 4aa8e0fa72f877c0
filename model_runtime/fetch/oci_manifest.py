"""The manifest of an OCI artifact → the files that its layers are. Pure; called by `oci`.

One layer is one file, as it is: named by the annotation of ORAS or of the CNCF's ModelPack, its digest and size those
of the descriptor (github.com/opencontainers/image-spec, manifest.md). Container images, whose layers are archives, and
packed layers are refused, since nothing is unpacked here.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from model_runtime.errors import DigestMissing, InvalidModel, PackedFile
from model_runtime.manifest import FileEntry
from model_runtime.strict_json import JsonError, parse_json

# The specification's own bound for what a registry has to take.
MAX_MANIFEST_BYTES = 4 << 20
# Some 20 to a layer.
_MAX_VALUES = 200_000
MEDIA_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
# ModelPack says the path in the model's folder, ORAS the name of the file that was pushed.
_NAMES = ("org.cncf.model.filepath", "org.opencontainers.image.title")
_PACKED = frozenset({"tar", "gzip", "gz", "tgz", "zstd", "zst", "zip", "xz", "bzip2"})
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHOWN = 8

Document = Mapping[str, object]


class Descriptor(NamedTuple):
    """What a registry holds under a digest, `sha256:<hex>`, and its size in bytes."""

    digest: str
    size: int


def parse(what: str, content: bytes) -> Document:
    """Return the document; `what` names it in messages.

    Raises:
        InvalidModel: it is no JSON object.

    """
    try:
        document = parse_json(content, max_values=_MAX_VALUES)
    except JsonError as error:
        raise InvalidModel(f"{what}: the manifest is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidModel(f"{what}: the manifest is no JSON object")
    return document


def only_manifest(what: str, document: Document) -> Descriptor | None:
    """Return the one manifest of an index, or None when the document is a manifest itself.

    Raises:
        InvalidModel: there are several, of which the revision has to name one, or none.

    """
    match document.get("manifests"):
        case None:
            return None
        case [dict(one)]:
            return _descriptor(what, one)
        case [*several] if several:
            choices = ", ".join(_choice(one) for one in several[:_SHOWN])
            more = f" and {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
            raise InvalidModel(
                f"{what}: an index of {len(several)} manifests: expected the digest of one as revision: {choices}{more}"
            )
        case _:
            raise InvalidModel(f"{what}: manifests: expected the list of an index, with one manifest")


def layer_files(what: str, document: Document) -> dict[str, FileEntry]:
    """Return the files by path.

    Raises:
        PackedFile: a layer is an archive or compressed.
        DigestMissing: a layer has a digest of another algorithm than sha256.
        UnsafePath: a name that leaves the folder.
        InvalidModel: no layers, one without a name, or the same name twice.

    """
    match document.get("layers"):
        case [*layers]:
            entries = [_file(f"{what}: layer {index}", layer) for index, layer in enumerate(layers)]
        case _:
            raise InvalidModel(f"{what}: layers: expected the list of an image manifest")
    path, count = Counter(entry.path for entry in entries).most_common(1)[0] if entries else ("", 0)
    if count > 1:
        raise InvalidModel(f"{what}: {path} is the name of {count} layers")
    return {entry.path: entry for entry in entries}


def _file(what: str, layer: object) -> FileEntry:
    if not isinstance(layer, dict):
        raise InvalidModel(f"{what} is no JSON object: expected a descriptor")
    media_type = str(layer.get("mediaType", ""))
    if _PACKED & frozenset(re.split(r"[^a-z0-9]+", media_type.lower())):
        raise PackedFile(f"{what} is {media_type[:80]}: expected each file as a layer of its own, as it is")
    descriptor = _descriptor(what, layer)
    return FileEntry(_name(what, layer), descriptor.size, descriptor.digest)


def _name(what: str, layer: Document) -> str:
    annotations = layer.get("annotations")
    if isinstance(annotations, dict):
        for key in _NAMES:
            if isinstance(name := annotations.get(key), str):
                return name
    raise InvalidModel(f"{what} has no name: expected the annotation {' or '.join(reversed(_NAMES))}")


def _descriptor(what: str, document: Document) -> Descriptor:
    digest, size = document.get("digest"), document.get("size")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise DigestMissing(f"{what}: digest {str(digest)[:80]!r}: expected sha256:<64 hex digits>")
    if not isinstance(size, int) or isinstance(size, bool):
        raise InvalidModel(f"{what}: size {str(size)[:80]!r}: expected a number of bytes")
    return Descriptor(digest, size)


def _choice(manifest: object) -> str:
    match manifest:
        case {"digest": str(digest), "platform": {"os": str(system), "architecture": str(machine)}}:
            return f"{digest[:80]} ({system[:20]}/{machine[:20]})"
        case {"digest": str(digest)}:
            return digest[:80]
        case _:
            return "one without a digest"
