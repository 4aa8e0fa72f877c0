"""Asks a worker whether a tokenizer.json is safe; called by `inspection`, so by `resolve` and `prepare`.

The library that loads a tokenizer is native code, and its patterns can take for ever: nothing of it is touched in this
process before the worker has done with it all that a server would do.
"""

import json

from model_runtime.errors import InvalidModel, UnsafeTokenizer
from model_runtime.sandbox.client import running
from model_runtime.sandbox.errors import Crashed, OutOfMemory, OutOfTime
from model_runtime.sandbox.limits import MEBIBYTE, Limits

TOKENIZER_NAME = "tokenizer.json"
# The largest published ones have 35 MB.
MAX_TOKENIZER_BYTES = 64 << 20
# For 29 MB with 256,000 tokens: 377 MiB, and 0.8 s to load on one core; a text of 64 KiB takes less than 0.1 s.
LIMITS = Limits(memory_bytes=640 * MEBIBYTE, cpu_seconds=6, wall_seconds=240, answer_bytes=64 << 10)
_PROGRAM = "model_runtime.tokenizer_check.program"


def check_tokenizer(content: bytes) -> None:
    """Check that a tokenizer can be loaded and used within bounds.

    Raises:
        UnsafeTokenizer: it is of absurd size, or takes too long or too much; the message says at what.
        InvalidModel: it is no tokenizer.

    """
    verdict, words = _ask(content)
    if verdict == "Unsafe":
        raise UnsafeTokenizer(f"{TOKENIZER_NAME}: {words}")
    if verdict == "Invalid":
        raise InvalidModel(f"{TOKENIZER_NAME}: {words}")


def _ask(content: bytes) -> tuple[str, str]:
    try:
        with running(_PROGRAM, LIMITS) as worker:
            verdict, words = json.loads(worker.ask(content))
    except OutOfTime as error:
        raise UnsafeTokenizer(f"{TOKENIZER_NAME} takes too long: {error}") from error
    except OutOfMemory as error:
        raise UnsafeTokenizer(f"{TOKENIZER_NAME} takes too much: {error}") from error
    except Crashed as error:
        raise UnsafeTokenizer(f"{TOKENIZER_NAME} ends the process that loads it: {error}") from error
    return verdict, words
