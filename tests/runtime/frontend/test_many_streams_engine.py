"""Many streams at once through a frontend, Triton and the engine's own queue: none is lost."""

from pathlib import Path

import pytest

from model_runtime.verify import Task
from tests.runtime.conftest import frontend, serving_of, triton_with
from tests.runtime.frontend.test_many_streams import BODY, KIB_PER_STREAM, START_KIB, peak_kib, read_streams

TOKENS = 4


@pytest.mark.parametrize(("count", "waiting"), [(500, 512), pytest.param(1000, 1024, marks=pytest.mark.soak)])
async def test_no_stream_is_lost_in_the_queue(smollm2: Path, tmp_path: Path, count: int, waiting: int) -> None:
    (tmp_path / "frontend").mkdir()
    serving = serving_of("m", Task.COMPLETION, smollm2, max_queue_size=waiting)
    with (
        triton_with((serving,), tmp_path) as triton,
        frontend(triton.grpc, "Completion", "m", smollm2, tmp_path / "frontend") as served,
    ):
        before = peak_kib(served.pid)
        body = BODY | {"max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}
        texts = await read_streams(served, count, body, TOKENS, lambda: None)
        assert len(texts) == count
        assert len(set(texts)) == 1
        assert peak_kib(served.pid) - before < START_KIB + KIB_PER_STREAM * count
