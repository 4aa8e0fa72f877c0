"""The engine's tests run on one thread: threads that wait for one another on busy cores stall."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def few_threads() -> None:
    torch.set_num_threads(1)
