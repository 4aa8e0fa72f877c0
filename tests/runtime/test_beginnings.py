"""The first bytes of files: pickles and archives are known for what they are, texts and weights are left alone."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.beginnings import BEGINNING_BYTES, check_beginning, foreign_binary
from model_runtime.errors import ModelRuntimeError, PackedFile, PickledWeights, UnsafeFile

WEIGHTS = {"model.norm.weight": [1.0, 2.0]}


def saved_by_torch(**how: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"w": torch.zeros(2)}, file, **how)
    return file.getvalue()


def saved_by_numpy(array: "np.ndarray[tuple[int], np.dtype[np.object_]]") -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"content")
    return file.getvalue()


def tarred(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("model")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


PICKLES = [
    *((f"protocol {protocol}", pickle.dumps(WEIGHTS, protocol)) for protocol in (2, 3, 4, 5)),
    ("torch's older form", saved_by_torch(_use_new_zipfile_serialization=False)),
    ("torch's zip", saved_by_torch()),
    ("a pickle in a zip", zipped("model.pkl")),
    ("a pickle in gzip", gzip.compress(pickle.dumps(WEIGHTS))),
    ("a pickle in a tar", tarred(pickle.dumps(WEIGHTS))),
    ("a NumPy array of objects", saved_by_numpy(np.array([{}], dtype=object))),
]
OLD_PICKLES = [
    *((f"protocol {protocol}", pickle.dumps(WEIGHTS, protocol)) for protocol in (0, 1)),
    ("a call, written by hand", b"cposix\nsystem\n(S'id'\ntR."),
    ("a list", pickle.dumps(list(range(500)), 1)),
]
PACKED = [
    ("gzip", gzip.compress(b"{}")),
    ("zip", zipped("config.json")),
    ("an empty zip", b"PK\x05\x06" + bytes(18)),
    ("bzip2", bz2.compress(b"{}")),
    ("xz", lzma.compress(b"{}")),
    ("zstd", b"\x28\xb5\x2f\xfd\x04\x00"),
    ("7z", b"7z\xbc\xaf\x27\x1c\x00\x04"),
    ("rar", b"Rar!\x1a\x07\x01\x00"),
    ("lz4", b"\x04\x22\x4d\x18\x64\x40"),
    ("tar", tarred(b"{}")),
]
PLAIN = [
    ("an empty file", b""),
    ("a vocabulary", b"[PAD]\n[unused0]\ncat\ndog\n"),
    ("a vocabulary that begins like an old pickle", b"cat\ndog\n(\n)\n"),
    ("merges", b"#version: 0.2\n\xc4\xa0 t\n"),
    ("a chat template", b"{% for message in messages %}{{ message.content }}{% endfor %}"),
    ("the model of sentencepiece", b"\x0a\x0e\x0a\x05<unk>\x15\x00\x00\x00\x00\x18\x02"),
]


@pytest.mark.parametrize(("sentence", "content"), PICKLES, ids=[row[0] for row in PICKLES])
def test_a_pickle_is_refused_whatever_its_name(sentence: str, content: bytes) -> None:
    with pytest.raises(PickledWeights, match=r"^vocab\.txt: .* can run code"):
        check_beginning("vocab.txt", content[:BEGINNING_BYTES])


@pytest.mark.parametrize(("sentence", "content"), OLD_PICKLES, ids=[row[0] for row in OLD_PICKLES])
def test_an_old_pickle_is_told_from_broken_json(sentence: str, content: bytes) -> None:
    assert type(foreign_binary("config.json", content[:BEGINNING_BYTES])) is PickledWeights


@pytest.mark.parametrize(("sentence", "content"), PACKED, ids=[row[0] for row in PACKED])
def test_what_is_packed_is_refused(sentence: str, content: bytes) -> None:
    with pytest.raises(PackedFile, match=r"^vocab\.txt: its bytes are .*: expected the plain file$"):
        check_beginning("vocab.txt", content[:BEGINNING_BYTES])


@pytest.mark.parametrize(("sentence", "content"), PLAIN, ids=[row[0] for row in PLAIN])
def test_plain_files_pass(sentence: str, content: bytes) -> None:
    check_beginning("vocab.txt", content)


@pytest.mark.parametrize("text", [b"{", b"<html>", b"[1, 2", b"(see the documentation)", b'{"a": 1,}', b"}"])
def test_broken_json_is_no_pickle(text: bytes) -> None:
    assert foreign_binary("config.json", text) is None


@settings(deadline=None)
@given(st.binary(max_size=BEGINNING_BYTES) | st.sampled_from([row[1] for row in PICKLES + OLD_PICKLES + PACKED]))
def test_any_bytes_give_an_answer(content: bytes) -> None:
    assert isinstance(foreign_binary("a", content[:BEGINNING_BYTES]), UnsafeFile | None)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_taken_for_another_file(text: str) -> None:
    try:
        check_beginning("vocab.txt", text.encode())
    except ModelRuntimeError as error:
        # Four archives begin with letters.
        assert text.startswith(("PK", "BZh", "Rar!")) or text[257:262] == "ustar", error  # noqa: PT017
