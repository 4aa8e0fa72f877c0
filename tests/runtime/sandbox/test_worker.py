"""What a worker cannot do, and what whoever asks is told."""

from ast import literal_eval

import pytest

from model_runtime.sandbox.client import running
from model_runtime.sandbox.errors import Crashed, OutOfMemory, OutOfTime, SandboxError
from model_runtime.sandbox.limits import MEBIBYTE, Limits
from model_runtime.sandbox.pool import Pool

PROGRAM = "tests.runtime.sandbox.misbehaving"
LIMITS = Limits(memory_bytes=128 * MEBIBYTE, cpu_seconds=0.5, wall_seconds=20, answer_bytes=MEBIBYTE)
IMPATIENT = Limits(memory_bytes=128 * MEBIBYTE, cpu_seconds=5, wall_seconds=1, answer_bytes=MEBIBYTE)
TOO_MANY = "Too many open files"
REFUSED = [
    ("open a file", TOO_MANY),
    ("write a file", TOO_MANY),
    ("open a socket", TOO_MANY),
    ("start a program", TOO_MANY),
]
ENDED: list[tuple[str, type[SandboxError], str]] = [
    ("loop", OutOfTime, "more than 0.5 s of processor time"),
    ("loop in a step", OutOfTime, "more than 0.5 s of processor time while something is done"),
    ("take a gigabyte", OutOfMemory, "more than 128 MiB of memory"),
    ("answer much", OutOfMemory, "more than 1048576"),
    ("crash", Crashed, "code -11"),
]


@pytest.mark.parametrize(("deed", "says"), REFUSED)
def test_the_kernel_refuses(deed: str, says: str) -> None:
    with running(PROGRAM, LIMITS) as worker:
        assert says in worker.ask(deed.encode()).decode()
        assert worker.ask(b"nothing") == b"'done'"


def test_the_environment_is_not_ours() -> None:
    names = {"MALLOC_ARENA_MAX", "PYTHONPATH", "RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM"}
    with running(PROGRAM, LIMITS) as worker:
        assert set(literal_eval(worker.ask(b"read the environment").decode())) <= names | {"LC_CTYPE"}


@pytest.mark.parametrize(("deed", "error", "says"), ENDED)
def test_what_goes_too_far_ends(deed: str, error: type[SandboxError], says: str) -> None:
    with running(PROGRAM, LIMITS) as worker, pytest.raises(error) as ended:
        worker.ask(deed.encode())
    assert says in str(ended.value)


def test_what_only_waits_is_not_waited_for() -> None:
    with running(PROGRAM, IMPATIENT) as worker, pytest.raises(OutOfTime, match="no answer within 1 s"):
        worker.ask(b"wait")


async def test_a_pool_replaces_what_died() -> None:
    pool = Pool(PROGRAM, LIMITS, 1)
    try:
        for deed in (b"crash", b"take a gigabyte"):
            with pytest.raises(SandboxError):
                await pool.ask(deed)
            assert await pool.ask(b"nothing") == b"'done'"
    finally:
        pool.close()
