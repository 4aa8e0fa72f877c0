"""Models in a folder of a web server: `https://host/folder` with a `SHA256SUMS` that lists the files.

Plain `http://` is accepted for mirrors inside the cluster and for tests: the digests guard the bytes either way, and a
credential is not sent over it. `--credentials` holds the key `token`, sent as a bearer token.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import quote

from model_runtime.arguments import SourceArguments
from model_runtime.errors import DigestMissing, SourceNotFound
from model_runtime.fetch.http import Client, bearer, content_length, fetch_small, make_client, open_range
from model_runtime.fetch.source import Answer, Listing, listing_by_digest
from model_runtime.manifest import SUMS_NAME, FileEntry, Manifest, parse_sums
from model_runtime.selection import select

# Some 10,000 lines.
MAX_SUMS_BYTES = 4 << 20
_PARALLEL_REQUESTS = 4


@contextmanager
def https_listing(arguments: SourceArguments) -> Iterator[Listing]:
    """Give the listing of an `https://` or `http://` folder."""
    folder = arguments.uri.rstrip("/")
    headers = bearer(arguments.credential("token", folder))

    def url(path: str) -> str:
        return f"{folder}/{quote(path)}"

    with make_client(arguments) as client:

        def open_file(entry: FileEntry, offset: int, length: int | None = None) -> AbstractContextManager[Answer]:
            return open_range(client, url(entry.path), headers, offset, length)

        digests = _sums(client, url(SUMS_NAME), headers)
        paths = select(digests, arguments.file)
        with ThreadPoolExecutor(_PARALLEL_REQUESTS) as pool:
            sizes = pool.map(lambda path: content_length(client, url(path), headers), paths)
            entries = [FileEntry(path, size, digests[path]) for path, size in zip(paths, sizes, strict=True)]
        yield listing_by_digest(arguments.revision, Manifest.of(entries), open_file)


def _sums(client: Client, url: str, headers: dict[str, str]) -> dict[str, str]:
    try:
        content = fetch_small(client, url, headers, MAX_SUMS_BYTES)
    except SourceNotFound as error:
        raise DigestMissing(f"{url} is not there: put the output of sha256sum over the model's files in it") from error
    return parse_sums(content.decode(errors="replace"))
