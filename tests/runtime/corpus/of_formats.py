"""Repositories with pickles and archives, under their own names and under others."""

import bz2
import gzip
import lzma
import pickle

import numpy as np

from model_runtime.errors import PackedFile, PickledWeights
from tests.runtime.corpus.building import SHARDS, WEIGHTS, decoder, sharded, with_files, with_weights
from tests.runtime.corpus.rows import Bad
from tests.runtime.test_beginnings import saved_by_numpy, saved_by_torch, tarred, zipped

PICKLE = pickle.dumps({"model.norm.weight": [1.0] * 8})
# A gigabyte of zeros, packed twice.
BOMB = gzip.compress(gzip.compress(bytes(1 << 20)) * 1024)


def only(name: str, content: bytes) -> dict[str, bytes | None]:
    return {WEIGHTS: None, name: content}


BAD = [
    Bad("only pytorch_model.bin", with_files(only("pytorch_model.bin", PICKLE)), PickledWeights, "pytorch_model.bin"),
    Bad("only model.pt", with_files(only("model.pt", saved_by_torch())), PickledWeights, "model.pt"),
    *(
        Bad(
            f"a pickle of protocol {protocol} that is called safetensors",
            with_weights(pickle.dumps({"w": list(range(300))}, protocol)),
            PickledWeights,
            f"{WEIGHTS}: its bytes are a pickle",
        )
        for protocol in range(6)
    ),
    Bad("torch's zip that is called safetensors", with_weights(saved_by_torch()), PickledWeights, "zip archive with a"),
    Bad(
        "torch's older form that is called safetensors",
        with_weights(saved_by_torch(_use_new_zipfile_serialization=False)),
        PickledWeights,
        "pickle",
    ),
    Bad("a pickle in gzip", with_weights(gzip.compress(PICKLE)), PickledWeights, "gzip with a pickle"),
    Bad("a pickle in a tar", with_weights(tarred(PICKLE)), PickledWeights, "tar archive with a pickle"),
    Bad(
        "a NumPy array of objects that is called safetensors",
        with_weights(saved_by_numpy(np.array([{}], dtype=object))),
        PickledWeights,
        "pickle",
    ),
    Bad("a shard that is a pickle", with_files({SHARDS[1]: PICKLE}, sharded), PickledWeights, SHARDS[1]),
    Bad("a config that is a pickle", with_files({"config.json": PICKLE}), PickledWeights, "config.json"),
    Bad("a vocabulary that is a pickle", with_files({"vocab.txt": PICKLE}), PickledWeights, "vocab.txt"),
    Bad("a tokenizer.model that is a pickle", with_files({"tokenizer.model": PICKLE}), PickledWeights, "tokenizer.mod"),
    Bad("weights in gzip", with_weights(gzip.compress(decoder()[WEIGHTS])), PackedFile, "gzip"),
    Bad("weights in a zip", with_weights(zipped("weights")), PackedFile, "zip archive"),
    Bad("weights in zstd", with_weights(b"\x28\xb5\x2f\xfd" + bytes(64)), PackedFile, "zstd"),
    Bad("weights in xz", with_weights(lzma.compress(bytes(99))), PackedFile, "xz"),
    Bad("weights in bzip2", with_weights(bz2.compress(bytes(99))), PackedFile, "bzip2"),
    Bad("weights in a tar", with_weights(tarred(b"{}")), PackedFile, "tar archive"),
    Bad("weights in 7z", with_weights(b"7z\xbc\xaf\x27\x1c" + bytes(64)), PackedFile, "7z"),
    Bad("weights in rar", with_weights(b"Rar!\x1a\x07\x01\x00" + bytes(64)), PackedFile, "rar"),
    Bad("only packed weights", with_files(only("model.safetensors.gz", BOMB)), PackedFile, "model.safetensors.gz"),
    Bad("a config that unpacks to a gigabyte", with_files({"config.json": BOMB}), PackedFile, "config.json"),
    Bad("a tokenizer that unpacks to a gigabyte", with_files({"tokenizer.json": BOMB}), PackedFile, "tokenizer.json"),
    Bad("merges in a zip", with_files({"merges.txt": zipped("merges.txt")}), PackedFile, "merges.txt"),
]
