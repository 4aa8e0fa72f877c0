"""Checked spec + resolved facts + what is there → the plan, in an IR of frozen dataclasses. Pure."""
