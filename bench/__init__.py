"""Benchmarks: `python -m bench NAME`. docs/benchmarks.md says what each measures, and what came out."""
