"""`python3 -m model_runtime.resolve`: what is this model? Runs in the resolve Job, before anything of it is rendered.

Lists the source, reads the small documents and the headers of the weights, never the weights themselves, and reports
revision, digest, bytes, files, task, architecture and dtype in the termination message (docs/architecture.md).
"""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from model_runtime import termination
from model_runtime.arguments import ArgumentParser, SourceArguments, parse, source_arguments
from model_runtime.errors import DigestMismatch
from model_runtime.fetch.download import read_small
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.retry import Patience, retry
from model_runtime.fetch.source import Listing, read_exactly
from model_runtime.footprint import Footprint
from model_runtime.inspection import inspect_files
from model_runtime.manifest import FileEntry
from model_runtime.model_files import Read, T
from model_runtime.verify import Task

_DEADLINE_SECONDS = 300.0
# The Job tries again too, and its user should learn of a host that is down within seconds.
_ATTEMPTS = 3


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return termination.run(argv, command)


def command(argv: Sequence[str]) -> termination.Result:
    """Parse the arguments and resolve the model."""
    parser = ArgumentParser(prog="model_runtime.resolve", allow_abbrev=False)
    parser.add_argument("--task", choices=[task.value for task in Task], default=Task.AUTO.value)
    namespace = parse(parser, argv)
    patience = Patience(deadline=time.monotonic() + _DEADLINE_SECONDS, attempts=_ATTEMPTS)
    return resolve(source_arguments(namespace), Task(namespace.task), patience)


def resolve(arguments: SourceArguments, task: Task, patience: Patience) -> dict[str, str | int]:
    """Return what the model is.

    Raises:
        ModelRuntimeError: any reason but InsufficientDisk.

    """
    with ExitStack() as stack:
        listing = retry(patience, lambda: stack.enter_context(open_source(arguments)))
        digest = check_digest(listing, arguments.digest)
        facts = inspect_files(task, ListedFiles(listing, patience))
    return {
        "revision": listing.revision,
        "digest": digest,
        "bytes": listing.manifest.size,
        "files": len(listing.manifest.files),
        "task": facts.task,
        "architecture": facts.architecture,
        "dtype": facts.dtype,
        **memory_facts(facts.footprint),
    }


def memory_facts(footprint: Footprint) -> dict[str, int]:
    """Return the footprint by the names of the contract; what an encoder does not have is left out."""
    named = {
        "weightsBytes": footprint.weights_bytes,
        "kvBytesPerToken": footprint.kv_bytes_per_token,
        "contextLength": footprint.context_length,
    }
    return {name: value for name, value in named.items() if value is not None}


def check_digest(listing: Listing, expected: str | None) -> str:
    """Return the manifest's digest.

    Raises:
        DigestMismatch: it is not the one that was asked for.

    """
    digest = listing.manifest.digest()
    if expected not in {None, digest}:
        raise DigestMismatch(f"the source's manifest has the digest {digest}: expected {expected}")
    return digest


@dataclass(frozen=True, slots=True)
class ListedFiles:
    """The files of a listing, read through the source; a connection is closed where enough of a file was read."""

    listing: Listing
    patience: Patience

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """All files, sorted by path."""
        return self.listing.manifest.files

    def read(self, entry: FileEntry) -> bytes:
        """Return the whole content of a small file, checked by its digest."""
        return read_small(self.listing, entry, self.patience)

    def begin(self, entry: FileEntry, consume: Callable[[Read], T]) -> T:
        """Return what `consume` makes of the file's first bytes, tried again while the source cannot be reached."""

        def attempt() -> T:
            with self.listing.open(entry, 0) as answer:
                return consume(read_exactly(answer.chunks, entry.path))

        return retry(self.patience, attempt)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
