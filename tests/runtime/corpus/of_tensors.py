"""Repositories whose tensors overlap, are cut short, are there twice or have absurd shapes."""

from model_runtime.errors import InvalidModel, InvalidTensors
from tests.runtime.corpus.building import (
    INDEX,
    SHARDS,
    WEIGHTS,
    Files,
    decoder,
    encoded,
    header_of,
    llama_shapes,
    safetensors,
    sharded,
    with_files,
    with_header,
    with_tensor,
    with_weights,
    written,
)
from tests.runtime.corpus.rows import Bad

NORM = "model.norm.weight"
ZERO = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}


def crowded() -> Files:
    """More tensors than any model has, none of which takes a byte."""
    return decoder() | {WEIGHTS: written(encoded({str(number): ZERO for number in range(200_001)}))}


def twice() -> Files:
    """The second shard holds a tensor of the first one too."""
    shapes = llama_shapes()
    return sharded() | {SHARDS[1]: safetensors(dict(list(shapes.items())[4:]))}


def of_begin(begin: int) -> dict[str, object]:
    header, _ = header_of(llama_shapes())
    _, end = header[NORM]["data_offsets"]
    return {"data_offsets": [end - 16 + begin, end + begin]}


def norm(**fields: object) -> object:
    return with_tensor(NORM, **fields)


WHOLE = decoder()[WEIGHTS]
BAD = [
    Bad("overlapping tensors", norm(**of_begin(-2)), InvalidTensors, f"'{NORM}' begins at byte"),
    Bad("a gap between tensors", norm(**of_begin(2)), InvalidTensors, f"'{NORM}' begins at byte"),
    Bad("weights that are cut short", with_weights(WHOLE[:-1]), InvalidTensors, "the end of the file"),
    Bad("bytes after the last tensor", with_weights(WHOLE + b"\0"), InvalidTensors, "the end of the file"),
    Bad("an end before the beginning", norm(data_offsets=[8, 0]), InvalidTensors, "span -8 bytes"),
    Bad("a shape of other bytes", norm(shape=[9]), InvalidTensors, "BF16[9] does not"),
    Bad("a negative dimension", norm(shape=[-8]), InvalidTensors, "whole numbers"),
    Bad("a dimension that is true", norm(shape=[True, 8]), InvalidTensors, "whole numbers"),
    Bad("a dimension with a fraction", norm(shape=[8.0]), InvalidTensors, "whole numbers"),
    Bad("an offset above every file", norm(data_offsets=[0, 2**63]), InvalidTensors, "whole numbers"),
    Bad("nine dimensions", norm(shape=[1] * 8 + [8]), InvalidTensors, "9 dimensions"),
    Bad("a product above all memory", norm(shape=[2**48] * 8), InvalidTensors, "elements"),
    Bad("nothing of an absurd shape", norm(shape=[2**40, 2**40, 0], data_offsets=[0, 0]), InvalidTensors, "elements"),
    Bad("200,001 tensors of nothing", crowded, InvalidTensors, "200001 tensors"),
    Bad("a tensor in both shards", twice, InvalidTensors, f"is both in {SHARDS[0]} and in {SHARDS[1]}"),
    Bad("a shard that is missing", with_files({SHARDS[1]: None}, sharded), InvalidModel, f"is listed in {SHARDS[1]}"),
    Bad("shards without their index", with_files({INDEX: None}, sharded), InvalidModel, f"{INDEX} is missing"),
    Bad("one file beside the shards", with_files({WEIGHTS: WHOLE}, sharded), InvalidModel, "either"),
    Bad(
        "a name that writes to the terminal",
        with_header(lambda h: h.update({"\x1b[2J\u202e": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}})),
        InvalidModel,
        r"tensor \x1b[2J\u202e is not part",
    ),
    Bad("no tensors", with_weights(written(b"{}")), InvalidModel, "no tensors"),
    Bad("a tensor that is missing", with_header(lambda h: h.update(x=h.pop(NORM))), InvalidModel, f"{NORM} is missing"),
]
