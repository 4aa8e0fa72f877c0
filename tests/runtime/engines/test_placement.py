"""A model is on the device it was told, whole, or it does not run.

Another device than the CPU is torch's "meta", which has dtypes and shapes and no numbers: most operations on two
devices fail there as they would on a real one.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model_runtime.engines import bert, llama
from model_runtime.engines.device import Device
from model_runtime.engines.dtype import Dtype
from model_runtime.engines.errors import DeviceMissingError
from model_runtime.engines.kv_cache import allocate_cache
from model_runtime.engines.placement import Placement, choose_placement
from model_runtime.engines.weights import stored_dtype
from model_runtime.triton.placing import place
from model_runtime.triton.settings import ModelSettings

ELSEWHERE = Placement(torch.device("meta"), torch.bfloat16)
FLOAT8 = torch.float8_e4m3fn


def weights(folder: Path, **dtypes: torch.dtype) -> Path:
    tensors = {name: torch.zeros(8 if name == "large" else 2, dtype=dtype) for name, dtype in dtypes.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


STORED = {
    "half precision of the brain kind": ({"large": torch.bfloat16, "small": torch.float32}, torch.bfloat16),
    "half precision": ({"large": torch.float16}, torch.float16),
    "full precision, with a few half ones": ({"large": torch.float32, "small": torch.float16}, torch.float32),
    "a type that the engine does not compute in": ({"large": FLOAT8}, torch.float32),
}


@pytest.mark.parametrize(("dtypes", "expected"), STORED.values(), ids=STORED.keys())
def test_the_dtype_is_that_of_most_weights(
    dtypes: dict[str, torch.dtype], expected: torch.dtype, tmp_path: Path
) -> None:
    assert stored_dtype(weights(tmp_path, **dtypes)) is expected


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float32])
def test_the_cpu_runs_in_float32_whatever_is_stored(stored: torch.dtype) -> None:
    assert choose_placement(Device.CPU, None, stored) == Placement(torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("device", Device)
@pytest.mark.parametrize(
    ("wanted", "dtype"),
    [(Dtype.FLOAT32, torch.float32), (Dtype.BFLOAT16, torch.bfloat16), (Dtype.FLOAT16, torch.float16)],
)
def test_what_is_said_is_done(
    device: Device, wanted: Dtype, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_placement(device, wanted, torch.float32).dtype is dtype


def test_the_settings_of_the_model_decide(tmp_path: Path) -> None:
    folder = weights(tmp_path, large=torch.float16)
    assert place(ModelSettings(name="m", weights=folder, dtype=Dtype.BFLOAT16)).dtype is torch.bfloat16


def test_a_model_for_the_gpu_does_not_creep_onto_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = ModelSettings(name="m", weights=weights(tmp_path, large=torch.float16), device=Device.GPU)
    log = tmp_path / "log"
    with pytest.raises(DeviceMissingError):
        place(settings, log)
    report = json.loads(log.read_text())
    assert report["reason"] == "DeviceMissing"
    assert "sees no CUDA device" in report["message"]


def test_a_model_for_the_gpu_is_there_in_the_dtype_it_is_stored_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_placement(Device.GPU, None, torch.float16) == Placement(torch.device("cuda"), torch.float16)


def test_a_decoder_runs_where_its_weights_are(smollm2: Path) -> None:
    model = llama.load(smollm2, ELSEWHERE)
    assert model.native is None
    cache = allocate_cache(model.config, ELSEWHERE, 2)
    prompt, later = llama.Span([1, 2, 3], 0, [0]), llama.Span([4], 3, [0])
    for spans in ([prompt], [later], [prompt, later], [later, llama.Span([5], 0, [1])]):
        logits = llama.forward(model, spans, cache)
        assert (logits.device, logits.dtype) == (ELSEWHERE.device, torch.float32)
        assert logits.shape == (len(spans), model.config.vocabulary)


def test_an_encoder_is_loaded_to_its_device(minilm: Path) -> None:
    encoder = bert.load(minilm, ELSEWHERE).encoder
    assert (encoder.words.device, encoder.words.dtype) == (ELSEWHERE.device, ELSEWHERE.dtype)
    # What is added and scaled stays precise.
    for tensor in (encoder.positions, encoder.norm.weight, encoder.layers[-1].down_norm.bias):
        assert (tensor.device, tensor.dtype) == (ELSEWHERE.device, torch.float32)
