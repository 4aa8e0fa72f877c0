"""Which Kubernetes it is: one small interface, three that stand behind it.

    existing   NEREID_CLUSTER=existing or --backend existing: the cluster of KUBECONFIG; nothing is started or stopped
    kind       a Docker engine answers `docker info`
    embedded   Linux, root and no Docker engine

The embedded back end is the one that the project's own tests run on. kind and existing are thin; kind has not been run,
since no Docker engine was at hand.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.cluster.commands import find, succeeds
from tests.cluster.embedded.cluster import Embedded
from tests.cluster.embedded.layout import DEFAULT_NAME, make_layout
from tests.cluster.errors import ClusterError
from tests.cluster.existing import Existing
from tests.cluster.kind import Kind

CHOICES = ("kind", "embedded", "existing")


class Backend(Protocol):
    """What the command line, the tests and the demo need of a cluster."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""

    @property
    def audit_log(self) -> Path | None:
        """The API server's audit log, where this machine can read it."""

    def up(self) -> None:
        """Bring the cluster up, or mend it; return when it is ready."""

    def down(self) -> None:
        """Take the cluster down and leave nothing."""

    def status(self) -> list[str]:
        """Say how the cluster is."""

    def is_running(self) -> bool:
        """Tell whether images can be loaded."""

    def image_id(self, tag: str) -> str:
        """Return the id of a loaded image; empty where that is not known."""

    def load(self, tag: str, image_id: str, archive: Path) -> None:
        """Load a docker archive."""

    def name_again(self, tag: str, other: str) -> None:
        """Give a loaded image another tag."""

    def add_fake_nodes(self, count: int) -> None:
        """Have kwok play this many nodes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for; None where nothing was said."""

    backend: str | None = None
    name: str | None = None
    gpus: int = 8


def choose(asked: str | None, *, docker: bool) -> str:
    """Return the name of the back end (pure)."""
    if asked is not None and asked not in CHOICES:
        raise ClusterError(f"back end {asked!r}: one of {', '.join(CHOICES)}")
    return asked or ("kind" if docker else "embedded")


def make_backend(request: Request) -> Backend:
    """Return the back end for a request, the environment and this machine."""
    asked = request.backend or os.environ.get("NEREID_CLUSTER") or None
    name = request.name or os.environ.get("NEREID_CLUSTER_NAME") or DEFAULT_NAME
    match choose(asked, docker=docker_answers()):
        case "existing":
            return Existing(Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config"))
        case "kind":
            return Kind(name, _state_home())
        case _:
            return Embedded(make_layout(name, _state_home()), request.gpus)


def docker_answers() -> bool:
    """Tell whether there is a Docker engine."""
    return find("docker") is not None and succeeds("docker", "info")


def _state_home() -> Path:
    """Where a cluster keeps its state: a real disk, since containers do not run on overlayfs over overlayfs."""
    home = os.environ.get("XDG_STATE_HOME")
    return Path(home) / "nereid-cluster" if home else Path("/var/lib/nereid-cluster")
