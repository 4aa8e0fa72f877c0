"""Fetches models: sources list and open files (`https`, `s3`, `huggingface`), `download` brings them to the disk."""
