"""Real frontend processes before a stand-in for Triton, shared by a module's tests."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.runtime.conftest import Frontend, frontend
from tests.runtime.frontend.stand_in import StandIn, stand_in_triton


@pytest.fixture(scope="module")
def shared_stand_in() -> Iterator[StandIn]:
    with stand_in_triton() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(shared_stand_in: StandIn) -> StandIn:
    """The stand-in of the module, with nothing left of the test before."""
    shared_stand_in.reset()
    return shared_stand_in


@pytest.fixture(scope="module")
def chat_before_stand_in(
    shared_stand_in: StandIn, smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Frontend]:
    with frontend(shared_stand_in.address, "Chat", "m", smollm2, tmp_path_factory.mktemp("chat")) as started:
        yield started


@pytest.fixture(scope="module")
def client(chat_before_stand_in: Frontend) -> Iterator[openai.OpenAI]:
    url = f"{chat_before_stand_in.url}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=60) as made:
        yield made
