"""`python3 -m model_runtime.prepare`: the init container of a replica, which leaves on the disk what Triton serves.

Lists the source at the pinned revision, refuses another manifest than the pinned one, fetches and hashes the files
(through a cache, where there is one), examines them as `resolve` did, and only then writes the model repository. Safe
to repeat after a restart.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from model_runtime import termination
from model_runtime.arguments import ArgumentParser, SourceArguments, parse, source_arguments
from model_runtime.engines.device import Device
from model_runtime.engines.dtype import Dtype
from model_runtime.errors import InvalidArgument, UnsafeFile, UnsafePath
from model_runtime.fetch.cache import Cache, Fetch, fetch_through
from model_runtime.fetch.open_source import open_source
from model_runtime.fetch.progress import Progress
from model_runtime.fetch.progress_server import serving_progress
from model_runtime.fetch.retry import Patience, retry
from model_runtime.fetch.source import Listing
from model_runtime.gguf_documents import DERIVED
from model_runtime.gguf_model import open_gguf
from model_runtime.inspection import inspect_files
from model_runtime.manifest import FileEntry, Manifest
from model_runtime.model_files import Read, T
from model_runtime.repository import model_repository
from model_runtime.resolve import check_digest
from model_runtime.selection import is_gguf
from model_runtime.serving import Engine, Serving
from model_runtime.strict_json import parse_json
from model_runtime.verify import Facts, Task

# A day for the largest models over slow lines; Kubernetes shows the progress meanwhile.
_DEADLINE_SECONDS = 24 * 3600.0
# Commas and colons; vLLM's engine has some 200 arguments.
_MAX_ARGUMENTS = 10_000


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return termination.run(argv, command)


def command(argv: Sequence[str]) -> termination.Result:
    """Parse the arguments and prepare the model."""
    parser = ArgumentParser(prog="model_runtime.prepare", allow_abbrev=False)
    _add_serving_arguments(parser)
    parser.add_argument("--repository", type=Path, required=True, metavar="DIR")
    parser.add_argument("--progress-port", type=_port, metavar="N", help="where GET /progress is answered meanwhile")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="a cache of models that several pods share")
    parser.add_argument("--cache-bytes", type=_count, metavar="N", help="its bound; default 90 %% of its volume")
    namespace = parse(parser, argv)
    arguments, serving = source_arguments(namespace), _serving(namespace)
    cache = Cache(namespace.cache, namespace.cache_bytes, write_line) if namespace.cache else None
    patience = Patience(deadline=time.monotonic() + _DEADLINE_SECONDS)
    progress = Progress(report=write_line, now=patience.clock.now)
    with serving_progress(progress, namespace.progress_port, write_line):
        return prepare(arguments, serving, namespace.repository, patience, progress, cache=cache)


def _add_serving_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", choices=[task.value for task in Task], required=True)
    parser.add_argument("--served-name", required=True)
    parser.add_argument("--weights", type=Path, required=True, metavar="DIR")
    parser.add_argument("--max-batch-size", type=int, default=8, metavar="N")
    parser.add_argument("--max-queue-delay-microseconds", type=int, default=5000, metavar="N")
    parser.add_argument("--max-queue-size", type=int, metavar="N", help="requests that may wait; one more gets 503")
    parser.add_argument("--queue-timeout-microseconds", type=int, default=0, metavar="N", help="0: they wait forever")
    parser.add_argument("--device", choices=[device.value for device in Device], default=Device.CPU.value)
    parser.add_argument(
        "--dtype", choices=[dtype.value for dtype in Dtype], help="default: as docs/architecture.md says"
    )
    parser.add_argument("--kv-cache-bytes", type=int, metavar="N", help="memory of the tokens that generations hold")
    parser.add_argument("--response-cache", action="store_true", help="Triton keeps answers (its flag --cache-config)")
    parser.add_argument("--alias", metavar="NAME", help="a second name for the model, such as namespace.name")
    parser.add_argument("--engine", choices=[engine.value for engine in Engine], default=Engine.TORCH.value)
    parser.add_argument("--vllm-arguments", type=_object, metavar="JSON", help="what vLLM's engine is told")


def _serving(namespace: argparse.Namespace) -> Serving:
    return Serving(
        served_name=namespace.served_name,
        task=Task(namespace.task),
        weights=PurePosixPath(namespace.weights),
        max_batch_size=namespace.max_batch_size,
        max_queue_delay_microseconds=namespace.max_queue_delay_microseconds,
        device=Device(namespace.device),
        dtype=Dtype(namespace.dtype) if namespace.dtype else None,
        digest=namespace.digest or None,
        max_queue_size=namespace.max_queue_size,
        queue_timeout_microseconds=namespace.queue_timeout_microseconds,
        kv_cache_bytes=namespace.kv_cache_bytes,
        response_cache=namespace.response_cache,
        alias=namespace.alias or None,
        engine=Engine(namespace.engine),
        vllm_arguments=namespace.vllm_arguments,
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError(text)
    return port


def _object(text: str) -> dict[str, Any]:
    document = parse_json(text.encode(), max_values=_MAX_ARGUMENTS)
    if not isinstance(document, dict):
        raise ValueError(text)  # noqa: TRY004 - argparse names the flag for this one
    return document


def _pinned(flag: str, value: str | None) -> str:
    if value is None:
        raise InvalidArgument(f"{flag}: expected what resolve answered")
    return value


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count


def prepare(
    arguments: SourceArguments,
    serving: Serving,
    repository: Path,
    patience: Patience,
    progress: Progress,
    *,
    cache: Cache | None = None,
) -> dict[str, str | int]:
    """Bring the model to the disk and write the repository; return what was fetched.

    Raises:
        ModelRuntimeError: any reason; the repository is then not there.

    """
    _pinned("--revision", arguments.revision)
    digest, weights = _pinned("--digest", arguments.digest), Path(serving.weights)
    with ExitStack() as stack:

        def listing() -> Listing:
            listed = retry(patience, lambda: stack.enter_context(open_source(arguments)))
            check_digest(listed, digest)
            return listed

        manifest = fetch_through(cache, Fetch(digest, listing, weights, patience, progress))
    facts = verify_folder(weights, manifest, serving.task)
    write_documents(FolderFiles(weights, manifest))
    write_repository(repository, model_repository(serving, facts.interface))
    return {"digest": digest, "bytes": manifest.size, "files": len(manifest.files)}


def write_line(text: str) -> None:
    """Write a line for `kubectl logs`."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def verify_folder(folder: Path, manifest: Manifest, task: Task) -> Facts:
    """Check that the folder holds the manifest's files and nothing else; return what model for the task they are.

    The files' bytes were hashed when they were written. Raises as `inspect_files`, and:

    Raises:
        UnsafePath: a link.
        UnsafeFile: a file that the manifest does not name.

    """
    check_contents(folder, manifest)
    return inspect_files(task, FolderFiles(folder, manifest))


def check_contents(folder: Path, manifest: Manifest) -> None:
    """Check that there is nothing in the folder but the manifest's regular files.

    Raises:
        UnsafePath: a link.
        UnsafeFile: names the first path that does not belong there.

    """
    expected = {entry.path for entry in manifest.files}
    if any(map(is_gguf, expected)):
        # Those of an attempt before: they are not read, but written anew.
        expected |= DERIVED
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise UnsafePath(f"{name[:200]!r} is a link: expected only the regular files of the manifest in --weights")
        if not (path.is_dir() or (path.is_file() and name in expected)):
            raise UnsafeFile(f"{name[:200]!r}: expected only the regular files of the manifest in --weights")


def write_documents(files: "FolderFiles") -> None:
    """Write the documents of a model in a GGUF file beside it, where the engine and the frontend look for them."""
    if model := open_gguf(files):
        for entry, content in model.derived.items():
            (files.folder / entry.path).write_bytes(content)


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """The manifest's files in a folder, where `check_contents` found each."""

    folder: Path
    manifest: Manifest

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """All files, sorted by path."""
        return self.manifest.files

    def read(self, entry: FileEntry) -> bytes:
        """Return the whole content of a small file."""
        return (self.folder / entry.path).read_bytes()

    def begin(self, entry: FileEntry, consume: Callable[[Read], T]) -> T:
        """Return what `consume` makes of the file's first bytes."""
        with (self.folder / entry.path).open("rb") as file:
            return consume(file.read)


def write_repository(repository: Path, files: Mapping[str, str]) -> None:
    """Write the model repository beside its place and rename it, so that Triton never sees half of it."""
    repository.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=repository.parent, prefix=".repository-") as temporary:
        new = Path(temporary) / "repository"
        for name, text in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if repository.exists():
            shutil.rmtree(repository)
        new.rename(repository)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
