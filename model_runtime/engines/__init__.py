"""The torch engine: weights and text in, tokens and vectors out. Called by `model_runtime.triton`."""
