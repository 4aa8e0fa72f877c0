"""Picks the source by the URI's scheme, and holds it to the egress policy.

A source's libraries are imported only when it is used: boto3 takes a second.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from model_runtime.arguments import SourceArguments
from model_runtime.fetch.enforcement import enforced
from model_runtime.fetch.source import Listing


@contextmanager
def open_source(arguments: SourceArguments) -> Iterator[Listing]:
    """Give the listing of the model that `--uri` names: entering asks the source, leaving closes connections.

    The egress policy holds for the whole process meanwhile.

    Raises:
        ModelRuntimeError: on entering; any reason but InsufficientDisk.

    """
    with enforced(arguments.egress), _source(arguments) as listing:
        yield listing


def _source(arguments: SourceArguments) -> AbstractContextManager[Listing]:
    scheme = arguments.uri.partition("://")[0]
    if scheme == "hf":
        from model_runtime.fetch.huggingface import hub_listing  # noqa: PLC0415

        return hub_listing(arguments)
    if scheme == "s3":
        from model_runtime.fetch.s3 import s3_listing  # noqa: PLC0415

        return s3_listing(arguments)
    if scheme == "oci":
        from model_runtime.fetch.oci import oci_listing  # noqa: PLC0415

        return oci_listing(arguments)
    if scheme == "pvc":
        from model_runtime.fetch.folder import folder_listing  # noqa: PLC0415

        return folder_listing(arguments)
    from model_runtime.fetch.https import https_listing  # noqa: PLC0415

    return https_listing(arguments)
