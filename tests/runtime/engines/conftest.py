"""The engine's tests run on one thread: threads that wait for one another on busy cores stall."""

from pathlib import Path

import pytest
import torch

from model_runtime.engines import generator
from model_runtime.engines.placement import Placement
from tests.runtime.reference import ReferenceChat

CPU = torch.device("cpu")


@pytest.fixture(scope="session", autouse=True)
def few_threads() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def exact(smollm2: Path, few_threads: None) -> generator.Generator:
    """SmolLM2 in float32."""
    return generator.load(smollm2, Placement(CPU, torch.float32))


@pytest.fixture(scope="session")
def halved(smollm2: Path, few_threads: None) -> generator.Generator:
    """SmolLM2 in bfloat16."""
    return generator.load(smollm2, Placement(CPU, torch.bfloat16))


@pytest.fixture(scope="session")
def reference(smollm2: Path, few_threads: None) -> ReferenceChat:
    return ReferenceChat(smollm2)
