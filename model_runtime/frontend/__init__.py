"""The OpenAI API of one model, over Triton's gRPC: `python3 -m model_runtime.frontend`."""
