"""Repositories whose JSON documents mean nothing, mean two things, or are too much."""

from model_runtime.errors import InvalidConfig, InvalidModel
from model_runtime.verify import Task
from tests.runtime.corpus.building import INDEX, encoder, nested, sharded, with_config, with_files, with_json
from tests.runtime.corpus.rows import Bad

CONFIG, TOKENIZER, GENERATION = "config.json", "tokenizer_config.json", "generation_config.json"

BAD = [
    Bad("a config that is cut", with_json(CONFIG, '{"a": '), InvalidModel, "config.json: not valid JSON"),
    Bad("a config that is a list", with_json(CONFIG, "[]"), InvalidModel, "architectures"),
    Bad("a config of NaN", with_config(initializer_range=float("nan")), InvalidConfig, "config.json: NaN"),
    Bad("a config of Infinity", with_config(a={"b": [float("inf")]}), InvalidConfig, "config.json: Infinity"),
    Bad("a number above all floats", with_json(CONFIG, '{"a": -1e999}'), InvalidConfig, "-1e999 is more"),
    Bad("a number of a million digits", with_json(CONFIG, '{"a": ' + "1" * 10**6 + "}"), InvalidConfig, "1000000 dig"),
    Bad("a setting that is there twice", with_json(CONFIG, '{"a": 1, "a": 2}'), InvalidConfig, "'a' is there twice"),
    Bad("half of a character", with_json(CONFIG, '{"a": "\\udfff"}'), InvalidConfig, "lone surrogate"),
    Bad("lists in lists", with_config(a=nested(70)), InvalidModel, "nested deeper than 64"),
    Bad("a config of five megabytes", with_json(CONFIG, "{}" + " " * (5 << 20)), InvalidModel, "at most 4194304"),
    Bad("NaN in the tokenizer's settings", with_json(TOKENIZER, '{"a": NaN}'), InvalidConfig, f"{TOKENIZER}: NaN"),
    Bad("a tokenizer's settings that are a list", with_json(TOKENIZER, "[1]"), InvalidModel, "chat template"),
    Bad(
        "a token that is no text",
        with_json(TOKENIZER, '{"chat_template": "x", "eos_token": {"content": 1}}'),
        InvalidConfig,
        f"{TOKENIZER}: eos_token",
    ),
    Bad("generation settings that are a list", with_json(GENERATION, "[]"), InvalidConfig, f"{GENERATION}: expected"),
    Bad("an end that is no token", with_json(GENERATION, '{"eos_token_id": "</s>"}'), InvalidConfig, "eos_token_id"),
    Bad("ends that are lists", with_json(GENERATION, '{"eos_token_id": [[2]]}'), InvalidConfig, "eos_token_id"),
    Bad("an end below zero", with_config(eos_token_id=-1), InvalidConfig, "config.json: eos_token_id is -1"),
    Bad("an index that is a list", with_json(INDEX, "[]", sharded), InvalidModel, "expected weight_map"),
    Bad(
        "an index of millions of values",
        with_json(INDEX, "[" + "0," * 1_000_001 + "0]", sharded),
        InvalidModel,
        "expected at most 1000000",
    ),
    Bad(
        "modules of 70 kilobytes",
        with_json("modules.json", " " * 70_000 + "[]", encoder),
        InvalidModel,
        "at most 65536",
        Task.EMBEDDING,
    ),
    Bad("no config", with_files({CONFIG: None}), InvalidModel, "config.json is missing"),
    Bad("no tokenizer", with_files({"tokenizer.json": None}), InvalidModel, "tokenizer.json is missing"),
]
