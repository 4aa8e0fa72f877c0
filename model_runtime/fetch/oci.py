"""Models in a registry of OCI artifacts: `oci://host[:port]/repository`, by the distribution API.

The revision is a tag or a manifest's digest, which pins all that is below it. The registry is at https://host, or at
`--endpoint`. `--credentials` holds `username` and `password`, or a `token`.
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from model_runtime.arguments import SourceArguments
from model_runtime.errors import DigestMismatch, InvalidArgument, InvalidModel, SourceUnauthorized
from model_runtime.fetch.http import Client, make_client, open_range, reasons
from model_runtime.fetch.oci_manifest import (
    MAX_MANIFEST_BYTES,
    MEDIA_TYPES,
    Document,
    layer_files,
    only_manifest,
    parse,
)
from model_runtime.fetch.registry_login import Challenge, Login, read_challenge
from model_runtime.fetch.source import Answer, Listing, beginning
from model_runtime.manifest import FileEntry, Manifest, is_manifest_digest
from model_runtime.selection import select

_DEFAULT_TAG = "latest"
# Both from the distribution specification.
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ACCEPT = {"Accept": ", ".join(MEDIA_TYPES)}


@contextmanager
def oci_listing(arguments: SourceArguments) -> Iterator[Listing]:
    """Give the listing of an `oci://` repository, at the manifest that `--revision` (default: `latest`) stands for."""
    host, _, name = arguments.uri.partition("://")[2].partition("/")
    if not _REPOSITORY.fullmatch(name):
        raise InvalidArgument(
            f"--uri {arguments.uri!r}: expected oci://host/repository in small letters; a tag or digest is the revision"
        )
    reference = arguments.revision or _DEFAULT_TAG
    if not is_manifest_digest(reference) and not _TAG.fullmatch(reference):
        raise InvalidArgument(f"--revision {reference!r}: expected a tag or sha256:<64 lower-case hex digits>")
    registry = (arguments.endpoint or f"https://{host}").rstrip("/")
    with make_client(arguments) as client:
        url = f"{registry}/v2/{name}"
        login = Login(arguments, client, registry, name)
        # Before anything is asked: a Secret that is not for this registry is refused here.
        login.headers(None)
        repository = _Repository(client, url, login, _challenge(client, f"{url}/manifests/{reference}"))
        revision, document = _pinned(repository, reference)
        files = layer_files(url, document)
        yield Listing(
            revision, Manifest.of(files[path] for path in select(files, arguments.file)), repository.open_file
        )


def _challenge(client: Client, url: str) -> Challenge | None:
    """Return what the registry asks for before it gives the manifest; another host's question is not heard."""
    with reasons(url):
        response = client.ask("HEAD", url, _ACCEPT)
    if response.status != HTTPStatus.UNAUTHORIZED:
        return None
    return read_challenge(response.headers.getlist("WWW-Authenticate"))


@dataclass(slots=True)
class _Repository:
    """One repository, at `<registry>/v2/<name>`, and the right to pull from it for as long as that lasts."""

    client: Client
    url: str
    login: Login
    challenge: Challenge | None
    headers: dict[str, str] = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Log in."""
        self.headers = self.login.headers(self.challenge)

    def open_file(self, entry: FileEntry, offset: int, length: int | None = None) -> AbstractContextManager[Answer]:
        """Give the bytes of a layer as OpenFile says."""
        return self._open(f"{self.url}/blobs/{entry.digest}", {}, offset, length)

    def manifest(self, reference: str) -> bytes:
        """Return a manifest or an index as it is, checked by its digest when it is asked for by that."""
        url = f"{self.url}/manifests/{reference}"
        with self._open(url, _ACCEPT, 0, None) as answer:
            content = beginning(answer.chunks, MAX_MANIFEST_BYTES + 1)
        if len(content) > MAX_MANIFEST_BYTES:
            raise InvalidModel(f"{url}: a manifest of more than {MAX_MANIFEST_BYTES} bytes")
        if is_manifest_digest(reference) and _digest(content) != reference:
            raise DigestMismatch(f"{url}: its bytes hash to {_digest(content)}")
        return content

    @contextmanager
    def _open(self, url: str, headers: dict[str, str], offset: int, length: int | None) -> Iterator[Answer]:
        """Open a file; a token lives for minutes, and a download for hours, so one that was refused is renewed once."""
        with ExitStack() as stack:
            used = self.headers
            try:
                answer = stack.enter_context(open_range(self.client, url, used | headers, offset, length))
            except SourceUnauthorized:
                if not self._renews(used):
                    raise
                answer = stack.enter_context(open_range(self.client, url, self.headers | headers, offset, length))
            yield answer

    def _renews(self, used: dict[str, str]) -> bool:
        """Log in again, unless another thread has since these headers; tell whether there are others now."""
        with self.lock:
            if self.headers is used:
                self.headers = self.login.headers(self.challenge)
            return self.headers != used


def _pinned(repository: _Repository, reference: str) -> tuple[str, Document]:
    """Return the manifest that the reference stands for and its digest; an index of one manifest stands for that."""
    what = f"{repository.url}/manifests/{reference}"
    content = repository.manifest(reference)
    document = parse(what, content)
    inner = only_manifest(what, document)
    if inner is None:
        return _digest(content), document
    document = parse(what, repository.manifest(inner.digest))
    if only_manifest(what, document) is not None:
        raise InvalidModel(f"{what}: an index of an index: expected a manifest")
    return inner.digest, document


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
