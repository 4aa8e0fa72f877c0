"""Triton's Python-backend models over the engine: each `model.py` of the model repository imports one class."""
