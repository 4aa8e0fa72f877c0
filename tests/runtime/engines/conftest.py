"""The engine's tests share the machine with others: one thread each, since threads that wait for one another on busy cores stall."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def few_threads() -> None:
    torch.set_num_threads(1)
