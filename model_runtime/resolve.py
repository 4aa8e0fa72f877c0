"""`python3 -m model_runtime.resolve`: what is this model? Runs in the resolve Job, before anything of it is rendered.

Lists the source, reads the small documents and the headers of the weights, never the weights themselves, and reports
revision, digest, bytes, files, task, architecture and dtype in the termination message (docs/architecture.md).
"""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from model_runtime import termination
from model_runtime.arguments import ArgumentParser, SourceArguments, parse, source_arguments
from model_runtime.errors import DigestMismatch
from model_runtime.fetch.download import read_small
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.retry import Patience, retry
from model_runtime.fetch.source import Listing, read_exactly
from model_runtime.footprint import Footprint
from model_runtime.manifest import FileEntry
from model_runtime.safetensors_header import Tensor, read_header
from model_runtime.selection import is_weights
from model_runtime.verify import DOCUMENT_NAMES, Documents, Facts, Task, examine, parse_document

# The largest published index (of some 100,000 tensors) has 10 MB, tokenizer_config.json 1 MB.
MAX_DOCUMENT_BYTES = 32 << 20
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
        facts = read_facts(listing, task, patience)
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


def read_facts(listing: Listing, task: Task, patience: Patience) -> Facts:
    """Read documents and headers through the source and examine them."""
    contents = {
        field: parse_document(path, read_small(listing, entry, MAX_DOCUMENT_BYTES, patience))
        for field, path in DOCUMENT_NAMES.items()
        if (entry := listing.manifest.get(path))
    }
    weights = [entry for entry in listing.manifest.files if is_weights(entry.path)]
    headers = {entry.path: retry(patience, partial(header_of, listing, entry)) for entry in weights}
    return examine(task, [entry.path for entry in listing.manifest.files], Documents(**contents), headers)


def header_of(listing: Listing, entry: FileEntry) -> tuple[Tensor, ...]:
    """Read the header of one safetensors file; the connection is closed where the tensors begin."""
    with listing.open(entry, 0) as answer:
        return read_header(entry.path, entry.size, read_exactly(answer.chunks, entry.path))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
