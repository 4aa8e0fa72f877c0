"""What Triton is to be told of a model, as one frozen value that is checked where it is made.

`prepare` makes it from its flags and what was resolved; `repository` turns it into the files that Triton reads. What
bounds the queue of a generation is the engine's to keep (`triton.settings`), that of any other model Triton's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from model_runtime.engines.device import Device
from model_runtime.engines.dtype import Dtype
from model_runtime.errors import InvalidArgument
from model_runtime.verify import Task

# A folder's name for Triton, a path segment for its clients.
_SERVED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
GENERATION = frozenset({Task.CHAT, Task.COMPLETION})

# What vLLM would read from elsewhere, or run.
_NOT_FOR_VLLM = frozenset(
    {"model", "tokenizer", "hf_config_path", "download_dir", "revision", "code_revision", "trust_remote_code"}
)


class Engine(StrEnum):
    """Who runs the model inside Triton; the value is that of the flag `--engine`."""

    TORCH = "torch"  # our own
    VLLM = "vllm"  # Triton's vLLM backend, where the image has it


@dataclass(frozen=True, slots=True)
class Serving:
    """The name clients use, the task, the weights' folder, batching and queue, where and how it computes.

    `max_batch_size` bounds a batch, or the generations at a time; `max_queue_size` the requests that wait besides,
    and `queue_timeout_microseconds` how long they do. What is None or 0 is left to Triton and the engine.
    `digest` is that of the manifest that was verified. `alias` is a second name, and `vllm_arguments` are vLLM's own.
    """

    served_name: str
    task: Task
    weights: PurePosixPath
    max_batch_size: int
    max_queue_delay_microseconds: int
    device: Device = Device.CPU
    dtype: Dtype | None = None
    digest: str | None = None
    max_queue_size: int | None = None
    queue_timeout_microseconds: int = 0
    kv_cache_bytes: int | None = None
    response_cache: bool = False
    alias: str | None = None
    engine: Engine = Engine.TORCH
    vllm_arguments: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check each field.

        Raises:
            InvalidArgument: names the flag, the value and what would be right.

        """
        check_name("--served-name", self.served_name)
        if self.task is Task.AUTO:
            raise InvalidArgument(f"--task {self.task}: expected what resolve answered")
        _check_least("--max-batch-size", self.max_batch_size, 1)
        _check_least("--max-queue-delay-microseconds", self.max_queue_delay_microseconds, 0)
        _check_least("--max-queue-size", self.max_queue_size, 1)
        _check_least("--queue-timeout-microseconds", self.queue_timeout_microseconds, 0)
        _check_least("--kv-cache-bytes", self.kv_cache_bytes, 1)
        if self.kv_cache_bytes is not None and self.task not in GENERATION:
            raise InvalidArgument(f"--kv-cache-bytes with --task {self.task}: expected it with a generation alone")
        if self.alias is not None:
            check_name("--alias", self.alias)
            if self.alias == self.served_name:
                raise InvalidArgument(f"--alias {self.alias!r}: expected another name than --served-name")
        self._check_engine()
        if self.response_cache and self.task in GENERATION:
            raise InvalidArgument(f"--response-cache with --task {self.task}: expected a task that answers once")

    def _check_engine(self) -> None:
        if self.engine is Engine.TORCH and self.vllm_arguments is not None:
            raise InvalidArgument("--vllm-arguments with --engine torch: expected them with --engine vllm")
        if self.engine is Engine.VLLM and self.task not in GENERATION:
            raise InvalidArgument(f"--engine vllm with --task {self.task}: expected a generation, Chat or Completion")
        if leading_away := sorted(_NOT_FOR_VLLM & (self.vllm_arguments or {}).keys()):
            raise InvalidArgument(
                f"--vllm-arguments: {leading_away[0]!r}: expected none: the folder --weights is served"
            )
        # Its queue has no bound of ours: --max-queue-size says nothing to it.
        bounds = (self.queue_timeout_microseconds or None, self.kv_cache_bytes, self.dtype)
        if self.engine is Engine.VLLM and any(bound is not None for bound in bounds):
            raise InvalidArgument(
                "--engine vllm: expected no --queue-timeout-microseconds, and dtype and KV cache in --vllm-arguments"
            )


def check_name(flag: str, name: str) -> None:
    """Check a model's name in Triton; InvalidArgument names the flag and the value."""
    if not _SERVED_NAME.fullmatch(name):
        raise InvalidArgument(
            f"{flag} {name!r}: expected at most 128 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )


def _check_least(flag: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise InvalidArgument(f"{flag} {value}: expected {least} or more")
