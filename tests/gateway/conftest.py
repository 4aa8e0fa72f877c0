"""The real Triton and its models, as the runtime's tests have them."""

from tests.runtime.conftest import chat_frontend, embedding_frontend, minilm, smollm2, triton

__all__ = ["chat_frontend", "embedding_frontend", "minilm", "smollm2", "triton"]
