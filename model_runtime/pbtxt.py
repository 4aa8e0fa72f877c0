"""Protobuf's text format, as far as config.pbtxt needs it: functions that return whole lines. Used by `repository`."""

import json
from collections.abc import Iterable


def quoted(text: str) -> str:
    """Quote for protobuf's text format, which takes JSON's escapes of quotes, backslashes and newlines."""
    return json.dumps(text, ensure_ascii=False)


def block(name: str, *fields: str) -> str:
    """Return a message in a field; each of `fields` is one or more lines."""
    return f"{name} {{\n{_indented(fields)}}}\n"


def listed(name: str, messages: Iterable[Iterable[str]]) -> str:
    """Return a repeated field: each message is the lines of its fields."""
    return (
        f"{name} [\n"
        + ",\n".join(f"  {{\n{_indented(_indented(fields).splitlines())}  }}" for fields in messages)
        + "\n]\n"
    )


def tensor(name: str, data_type: str, dims: Iterable[int], *more: str) -> tuple[str, ...]:
    """Return the fields of an input or output; `dims` are without the batch."""
    return (f"name: {quoted(name)}", f"data_type: {data_type}", f"dims: [{', '.join(map(str, dims))}]", *more)


def parameter(key: str, value: str) -> str:
    """Return a parameter, which the model's class reads."""
    return block("parameters", f"key: {quoted(key)}", block("value", f"string_value: {quoted(value)}"))


def _indented(fields: Iterable[str]) -> str:
    return "".join(f"  {line}\n" for field in fields for line in field.splitlines())
