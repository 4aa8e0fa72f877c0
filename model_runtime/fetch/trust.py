"""Which authorities are trusted: the well-known ones and those of `--ca-bundle`. Called by the sources."""

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import certifi

from model_runtime.errors import InvalidArgument


def ssl_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """Return the context of connections to a source.

    Raises:
        InvalidArgument: the bundle holds no certificates.

    """
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_bundle is None:
        return context
    try:
        context.load_verify_locations(ca_bundle)
    except ssl.SSLError as error:
        raise InvalidArgument(f"--ca-bundle {ca_bundle}: expected certificates in PEM: {error}") from error
    return context


@contextmanager
def trusted_file(ca_bundle: Path | None) -> Iterator[str | None]:
    """Give the same authorities as one file, for a library that takes no context; None stands for the well-known ones.

    Raises:
        InvalidArgument: the bundle holds no certificates.

    """
    if ca_bundle is None:
        yield None
        return
    ssl_context(ca_bundle)
    with tempfile.NamedTemporaryFile("w", prefix="trusted-", suffix=".pem") as file:
        file.write(f"{Path(certifi.where()).read_text()}\n{ca_bundle.read_text()}")
        file.flush()
        yield file.name
