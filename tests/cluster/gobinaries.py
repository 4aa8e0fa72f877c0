"""The programs of Kubernetes and its neighbours, built from their Go modules and kept in the cache directory.

In: `modules/<name>/go.mod` and `go.sum`, which pin and checksum every line of code. Out: the path of each program.
Called by `python -m tests.cluster binaries` and by the embedded back end.
"""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.binaries import cache_folder
from tests.cluster.commands import find, locked, run, run_logged
from tests.cluster.errors import DiskSpaceError, MissingToolError
from tests.cluster.progress import Progress

MODULES = Path(__file__).parent / "modules"
_GO_IN_VENV = Path(__file__).parents[2] / ".venv" / "bin" / "go"
_BUILD_ENVIRONMENT = {"CGO_ENABLED": "0", "GOWORK": "off"}
# Modules, build cache and binaries take 9 GB; a cached build asks for nothing.
_BYTES_TO_BUILD = 10 * 2**30


@dataclass(frozen=True, slots=True)
class Module:
    """A folder with a go.mod: its programs and the flags they are built with."""

    name: str
    tools: tuple[str, ...]
    go_version: tuple[int, ...]
    flags: tuple[str, ...]

    @property
    def programs(self) -> dict[str, str]:
        """Program name → import path."""
        return {tool.rsplit("/", 1)[-1]: tool for tool in self.tools}


def parse_module(name: str, go_mod: str) -> Module:
    """Read a go.mod: its `tool` lines, its Go version, and the version to stamp into Kubernetes (pure)."""
    block = re.search(r"^tool \((.*?)^\)", go_mod, re.MULTILINE | re.DOTALL)
    tools = tuple(block.group(1).split()) if block else tuple(re.findall(r"^tool (\S+)$", go_mod, re.MULTILINE))
    wanted = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    kubernetes = re.search(r"^(?:require )?\s*k8s\.io/kubernetes (v\S+)", go_mod, re.MULTILINE)
    stamp = f" -X k8s.io/component-base/version.gitVersion={kubernetes.group(1)}" if kubernetes else ""
    return Module(
        name=name,
        tools=tools,
        go_version=parse_version(wanted.group(1)) if wanted else (),
        flags=("-trimpath", "-buildvcs=false", "-ldflags", f"-s -w{stamp}"),
    )


def parse_version(text: str) -> tuple[int, ...]:
    """`go1.26.8` or `1.25.0` → (1, 26, 8), (1, 25, 0) (pure)."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def cache_key(module: Module, go_mod: bytes, go_sum: bytes, go_version: str) -> str:
    """Return 16 hex digits over all that decides what comes out of the build (pure)."""
    digest = hashlib.sha256()
    for part in (go_mod, go_sum, " ".join(module.flags).encode(), go_version.encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def modules() -> list[Module]:
    """Return the modules; Kubernetes first, since all others are of use only with it."""
    folders = sorted(MODULES.iterdir(), key=lambda folder: (folder.name != "kubernetes", folder.name))
    return [parse_module(folder.name, (folder / "go.mod").read_text()) for folder in folders]


def ensure_binaries() -> dict[str, Path]:
    """Return the path of each program, building what is not in the cache."""
    wanted = modules()
    go, version = _go(max(module.go_version for module in wanted))
    folders = {module.name: _folder(module, version) for module in wanted}
    with locked(cache_folder() / "cluster" / "go.lock"):
        missing = [module for module in wanted if not folders[module.name].exists()]
        if missing:
            _build_all(go, missing, folders)
    return {program: folders[module.name] / program for module in wanted for program in module.programs}


def _folder(module: Module, go_version: str) -> Path:
    source = MODULES / module.name
    key = cache_key(module, (source / "go.mod").read_bytes(), (source / "go.sum").read_bytes(), go_version)
    return cache_folder() / "cluster" / f"{module.name}-{key}" / "bin"


def _build_all(go: str, missing: Sequence[Module], folders: Mapping[str, Path]) -> None:
    """Build the modules one after the other: the compiler uses every core by itself."""
    free = shutil.disk_usage(cache_folder()).free
    if free < _BYTES_TO_BUILD:
        raise DiskSpaceError(f"building Kubernetes needs 10 GiB in {cache_folder()}, {free / 2**30:.1f} GiB are free")
    progress = Progress("building", [program for module in missing for program in module.programs])
    for module in missing:
        _build(go, module, folders[module.name], progress)


def _build(go: str, module: Module, target: Path, progress: Progress) -> None:
    """Build a module's programs into a folder beside the final one, and move it there in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=target.parent))
    for program, package in module.programs.items():
        with progress.step(program):
            run_logged(
                cache_folder() / "cluster" / "logs" / f"{program}.log",
                *(go, "build", *module.flags, "-o", fresh / program, package),
                cwd=MODULES / module.name,
                extra=_BUILD_ENVIRONMENT,
            )
    fresh.chmod(0o755)
    fresh.rename(target)


def _go(wanted: tuple[int, ...]) -> tuple[str, str]:
    """Return the Go command and its version; MissingToolError where it is missing or too old."""
    spoken = ".".join(str(part) for part in wanted)
    go = find("go") or (str(_GO_IN_VENV) if _GO_IN_VENV.exists() else None)
    if go is None:
        raise MissingToolError(f"go is not installed: Go {spoken} or later builds Kubernetes; `make venv` brings one")
    version = run(go, "env", "GOVERSION", cwd=MODULES.parent).strip()
    if parse_version(version) < wanted:
        raise MissingToolError(f"{go} is {version}, but Go {spoken} or later is needed to build Kubernetes")
    return go, version
