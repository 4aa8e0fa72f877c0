"""Triton's Python backend imports this file; the model itself is in the package."""

from model_runtime.triton.generation import TritonPythonModel

__all__ = ["TritonPythonModel"]
