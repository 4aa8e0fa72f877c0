"""Type URL → the message class of xds-protos, loaded when it is first asked for.

Called by encoding.py. A message may hold others by their type URLs ("@type" in its JSON); all of them have to be known
before it can be read, and none of the some 900 that there are is loaded for nothing.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message


@cache
def message_class(type_url: str) -> type[Message]:
    """Return the class of a type URL's message; LookupError names one that xds-protos does not have."""
    name = type_url.rpartition("/")[2]
    _load_package(name.rpartition(".")[0])
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError as missing:
        raise LookupError(f"{type_url}: not among xds-protos; send it as a TypedStruct") from missing
    found: type[Message] = message_factory.GetMessageClass(descriptor)
    return found


def type_urls(value: object) -> Iterator[str]:
    """Yield the type URL of every message that a message's JSON holds as an Any."""
    if isinstance(value, Mapping):
        if "@type" in value:
            yield value["@type"]
        if value.get("@type", "").endswith("/xds.type.v3.TypedStruct"):
            return  # whatever it holds is JSON until Envoy reads it
        for part in value.values():
            yield from type_urls(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from type_urls(part)


def _load_package(package: str) -> None:
    """Import the generated modules of a protobuf package, which lie in the folder of its name."""
    try:
        folder = importlib.import_module(package)
    except ModuleNotFoundError:
        return  # google.protobuf and the like: loaded already, or unknown, which the caller says
    for module in pkgutil.iter_modules(folder.__path__):
        if module.name.endswith("_pb2"):
            importlib.import_module(f"{package}.{module.name}")
