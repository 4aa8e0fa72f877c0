"""Manifests of registries: which files they name, and what is refused with which words."""

from typing import Any

import pytest

from model_runtime import errors
from model_runtime.fetch.oci_manifest import layer_files, only_manifest, parse
from model_runtime.manifest import FileEntry
from tests.stack.registry import TITLE, artifact, digest_of, layer

FILE = layer("config.json", b"{}")
DIGEST = digest_of(b"{}")


def test_a_layer_of_oras_is_a_file():
    files = layer_files("m", artifact([FILE, layer("1_Pooling/config.json", b"[]")]))
    assert files["config.json"] == FileEntry("config.json", 2, DIGEST)
    assert set(files) == {"config.json", "1_Pooling/config.json"}


def test_the_path_of_modelpack_wins_over_the_title():
    named = {"org.cncf.model.filepath": "1_Pooling/config.json", TITLE: "config.json"}
    assert set(layer_files("m", artifact([FILE | {"annotations": named}]))) == {"1_Pooling/config.json"}


def test_a_raw_layer_of_modelpack_is_a_file():
    weights = FILE | {"mediaType": "application/vnd.cncf.model.weight.v1.raw"}
    assert set(layer_files("m", artifact([weights]))) == {"config.json"}


def _packed(media_type: str) -> dict[str, Any]:
    return FILE | {"mediaType": media_type}


REFUSED: dict[str, tuple[dict[str, Any], type[errors.ModelRuntimeError], str]] = {
    "a layer of a container image": (
        _packed("application/vnd.docker.image.rootfs.diff.tar.gzip"),
        errors.PackedFile,
        "each file as a layer of its own",
    ),
    "an archive of ORAS": (_packed("application/vnd.oci.image.layer.v1.tar"), errors.PackedFile, "layer 0"),
    "a zstd layer": (_packed("application/vnd.oci.image.layer.v1.tar+zstd"), errors.PackedFile, r"\+zstd"),
    "packed weights of ModelPack": (_packed("application/vnd.cncf.model.weight.v1.tar"), errors.PackedFile, "weight"),
    "a layer without a name": (FILE | {"annotations": {}}, errors.InvalidModel, TITLE),
    "annotations that are no object": (FILE | {"annotations": ["a"]}, errors.InvalidModel, "has no name"),
    "a name that leaves the folder": (layer("../config.json", b""), errors.UnsafeFile, r"\.\./config\.json"),
    "an absolute name": (layer("/etc/passwd", b""), errors.UnsafeFile, "/etc/passwd"),
    "another algorithm": (FILE | {"digest": f"sha512:{'a' * 128}"}, errors.DigestMissing, "sha512"),
    "no digest": ({"mediaType": "a", "annotations": {TITLE: "a"}}, errors.DigestMissing, "None"),
    "a digest in capitals": (FILE | {"digest": DIGEST.upper()}, errors.DigestMissing, "SHA256"),
    "a size that is a text": (FILE | {"size": "2"}, errors.InvalidModel, "expected a number of bytes"),
    "a size that is true": (FILE | {"size": True}, errors.InvalidModel, "expected a number of bytes"),
    "a size below zero": (FILE | {"size": -1}, errors.InvalidModel, "-1"),
}


@pytest.mark.parametrize(("refused", "reason", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_layer_that_is_no_plain_file_is_refused(
    refused: dict[str, Any], reason: type[errors.ModelRuntimeError], words: str
):
    with pytest.raises(reason, match=words):
        layer_files("m", artifact([refused]))


DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"<html>", "JSON"),
    "a list": (b"[]", "JSON object"),
    "no layers": (b"{}", "layers: expected the list"),
    "layers that are no list": (b'{"layers": {}}', "layers: expected the list"),
    "a layer that is no object": (b'{"layers": [1]}', "layer 0 is no JSON object"),
    "an index of nothing": (b'{"manifests": []}', "manifests: expected the list of an index"),
}


@pytest.mark.parametrize(("content", "words"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_what_is_no_manifest_says_so(content: bytes, words: str):
    with pytest.raises(errors.InvalidModel, match=words):
        _read(content)


def _read(content: bytes) -> None:
    document = parse("m", content)
    if only_manifest("m", document) is None:
        layer_files("m", document)


def test_the_same_name_twice_is_refused():
    with pytest.raises(errors.InvalidModel, match=r"config\.json is the name of 2 layers"):
        layer_files("m", artifact([FILE, layer("config.json", b"[]")]))


def test_an_index_of_one_manifest_stands_for_it():
    assert only_manifest("m", {"manifests": [{"digest": DIGEST, "size": 2}]}) == (DIGEST, 2)
    assert only_manifest("m", artifact([FILE])) is None


def test_an_index_of_several_says_what_to_choose_from():
    other = digest_of(b"other")
    manifests = [
        {"digest": DIGEST, "size": 2, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": other, "size": 5},
    ]
    with pytest.raises(errors.InvalidModel, match=rf"index of 2 manifests.*{DIGEST} \(linux/amd64\), {other}"):
        only_manifest("m", {"manifests": manifests})
