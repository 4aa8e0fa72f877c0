"""Images by docker, where an engine answers. Thin, and not run yet, since no Docker engine was at hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.buildargs import offered
from tests.cluster.commands import run, run_logged

if TYPE_CHECKING:
    from tests.cluster.images import BuildInputs


@dataclass(frozen=True, slots=True)
class Docker:
    """The docker command."""

    def prepare(self) -> None:
        """Nothing: docker pulls the base image by itself."""

    def build(self, tag: str, dockerfile: Path, inputs: "BuildInputs") -> None:
        """Build one image; wheels of this machine are out of docker's reach, so that it downloads them."""
        options = offered(dockerfile.read_text(), {})
        log = Path(f"{inputs.context}/dist/{dockerfile.parent.name}-image.log")
        run_logged(log, "docker", "build", "--network=host", *options, "-t", tag, "-f", dockerfile, inputs.context)

    def image_id(self, tag: str) -> str:
        """Return the id of a built image."""
        return run("docker", "image", "inspect", "--format", "{{.Id}}", tag).strip()

    def size(self, tag: str) -> int:
        """Return the bytes of a built image."""
        return int(run("docker", "image", "inspect", "--format", "{{.Size}}", tag))

    def save(self, tag: str, target: Path) -> None:
        """Write a docker archive."""
        run("docker", "save", "-o", target, tag)
