"""Picks the source by the URI's scheme; its libraries are imported only when it is used: boto3 takes a second."""

from contextlib import AbstractContextManager

from model_runtime.arguments import SourceArguments
from model_runtime.fetch.source import Listing


def open_source(arguments: SourceArguments) -> AbstractContextManager[Listing]:
    """Return the listing of the model that `--uri` names; entering it asks the source, leaving it closes connections.

    Raises:
        ModelRuntimeError: on entering; any reason but InsufficientDisk.

    """
    scheme = arguments.uri.partition("://")[0]
    if scheme == "hf":
        from model_runtime.fetch.huggingface import hub_listing  # noqa: PLC0415

        return hub_listing(arguments)
    if scheme == "s3":
        from model_runtime.fetch.s3 import s3_listing  # noqa: PLC0415

        return s3_listing(arguments)
    from model_runtime.fetch.https import https_listing  # noqa: PLC0415

    return https_listing(arguments)
