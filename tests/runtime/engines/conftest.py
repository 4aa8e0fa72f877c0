"""The engine's tests share the machine with others: two threads are enough for models this small."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def few_threads() -> None:
    torch.set_num_threads(2)
