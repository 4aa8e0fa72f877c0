"""The back end for a cluster that is there already: it is used, and neither started nor stopped."""

from dataclasses import dataclass
from pathlib import Path

from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError, NotRunningError
from tests.cluster.progress import say


@dataclass(frozen=True, slots=True)
class Existing:
    """The cluster of a kubeconfig."""

    kubeconfig: Path
    audit_log: Path | None = None

    def up(self) -> None:
        """Check that it answers."""
        if not self.kubeconfig.is_file():
            raise NotRunningError(f"KUBECONFIG names {self.kubeconfig}, which is not a file")
        run("kubectl", "--kubeconfig", self.kubeconfig, "get", "--raw", "/readyz")
        say(f"using the cluster of {self.kubeconfig}")

    def down(self) -> None:
        """Leave it alone."""
        say("an existing cluster is left as it is")

    def status(self) -> list[str]:
        """Say whether it answers."""
        return [
            f"existing cluster {'answers' if self.is_running() else 'does not answer'}",
            f"KUBECONFIG={self.kubeconfig}",
        ]

    def is_running(self) -> bool:
        """Tell whether the API server says that it is ready."""
        return succeeds("kubectl", "--kubeconfig", str(self.kubeconfig), "get", "--raw", "/readyz")

    def image_id(self, tag: str) -> str:
        """Nothing is known of its nodes' images."""
        return ""

    def load(self, tag: str, image_id: str, archive: Path) -> None:
        """Refuse: only its owner knows how images get to its nodes."""
        raise ClusterError(
            f"{tag}: push it to a registry that the existing cluster pulls from; {archive} cannot be loaded"
        )

    def name_again(self, tag: str, other: str) -> None:
        """Refuse: images are as its owner pushed them."""
        raise ClusterError(f"{other}: push it to the registry beside {tag}")

    def add_fake_nodes(self, count: int) -> None:
        """Refuse: kwok is not ours to install there."""
        raise ClusterError("kwok nodes are for the embedded cluster; an existing one is left as it is")
