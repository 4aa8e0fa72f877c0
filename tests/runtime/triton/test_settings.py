"""The parameters that `repository` writes are those that `settings` reads, and a wrong one is named."""

import json
from pathlib import Path, PurePosixPath

import pytest
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from model_runtime.engines.device import Device
from model_runtime.engines.dtype import Dtype
from model_runtime.engines.errors import InvalidModelError
from model_runtime.repository import model_repository
from model_runtime.serving import Serving
from model_runtime.triton.settings import ModelSettings, read_settings
from model_runtime.verify import Task

DIGEST = f"sha256:{'0' * 64}"


def told(serving: Serving) -> dict[str, str]:
    """Return what Triton gives to `initialize`: the configuration as JSON, with its fields' own names."""
    text = model_repository(serving)[f"{serving.served_name}/config.pbtxt"]
    config = json_format.MessageToDict(text_format.Parse(text, ModelConfig()), preserving_proto_field_name=True)
    return {"model_config": json.dumps(config)}


def serving(**fields: object) -> Serving:
    values = {"served_name": "m", "task": Task.CHAT, "weights": PurePosixPath("/w")}
    return Serving(**(values | {"max_batch_size": 8, "max_queue_delay_microseconds": 5000} | fields))


READ = {
    "nothing said": ({}, {}),
    "a few at a time": ({"max_batch_size": 3}, {"max_active": 3}),
    "a short queue": ({"max_queue_size": 5}, {"max_queued": 5}),
    "a hasty queue": ({"queue_timeout_microseconds": 250}, {"queue_timeout_microseconds": 250}),
    "a bounded cache": ({"kv_cache_bytes": 1 << 33}, {"kv_cache_bytes": 1 << 33}),
    "a dtype": ({"dtype": Dtype.BFLOAT16}, {"dtype": Dtype.BFLOAT16}),
    "a device": ({"device": Device.GPU}, {"device": Device.GPU}),
    "a digest": ({"digest": DIGEST}, {"digest": DIGEST}),
    "an encoder": (
        {"task": Task.EMBEDDING, "dtype": Dtype.FLOAT16},
        {"dtype": Dtype.FLOAT16, "max_batch_size": 8},
    ),
}


@pytest.mark.parametrize(("said", "read"), READ.values(), ids=READ.keys())
def test_what_is_written_is_read(said: dict[str, object], read: dict[str, object]) -> None:
    assert read_settings(told(serving(**said))) == ModelSettings(**({"name": "m", "weights": Path("/w")} | read))


WRONG = {
    "no weights": ({"weights": None}, "weights is missing; expected the model's folder"),
    "another device": ({"device": "tpu"}, "device is 'tpu'; expected cpu or gpu"),
    "another dtype": ({"dtype": "float32"}, "dtype is 'float32'; expected Float32 or BFloat16 or Float16"),
    "no generation at a time": ({"max_active": "0"}, "max_active is '0'; expected 1 or more"),
    "a word for a number": ({"max_queued": "many"}, "max_queued is 'many'; expected 1 or more"),
    "digits of another script": ({"max_queued": "٣"}, "max_queued is '٣'; expected 1 or more"),
    "time that runs backwards": ({"queue_timeout_microseconds": "-1"}, "microseconds is '-1'; expected 0 or more"),
    "a cache of nothing": ({"kv_cache_bytes": "0"}, "kv_cache_bytes is '0'; expected 1 or more"),
}


@pytest.mark.parametrize(("parameters", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_parameter_is_named(parameters: dict[str, str | None], says: str) -> None:
    written = {name: {"string_value": value} for name, value in ({"weights": "/w"} | parameters).items() if value}
    with pytest.raises(InvalidModelError) as failure:
        read_settings({"model_config": json.dumps({"name": "m", "parameters": written})})
    assert says in str(failure.value)
