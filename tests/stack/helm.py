"""The real helm, installing the project's own chart."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.binaries import binary
from tests.cluster.images import ENVOY_REPOSITORY, envoy_tag

CHART = Path(__file__).parents[2] / "charts" / "nereid"
RELEASE = "nereid"
NAMESPACE = "nereid-system"
# The image that tests.cluster builds, and no more of a small node than idle pods take.
_GATEWAY = (
    "gateway.resources.requests.cpu=50m",
    f"gateway.image.repository={ENVOY_REPOSITORY}",
    f"gateway.image.tag={envoy_tag().rpartition(':')[2]}",
)


class HelmError(RuntimeError):
    """helm ended with another code than 0; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Helm:
    """helm for one cluster."""

    kubeconfig: Path

    def run(self, *arguments: str, seconds: float = 240) -> str:
        """Run helm and return its standard output."""
        command = [str(binary("helm")), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, text=True, capture_output=True, timeout=seconds, check=False)
        if done.returncode:
            raise HelmError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def install(self, *values: str, chart: Path = CHART) -> str:
        """Install or upgrade the release, wait until it is ready and return the notes; no earlier value stays."""
        # An older chart has no gateway, and refuses its values.
        ours = _GATEWAY if chart == CHART else ()
        settings = [argument for value in (*ours, *values) for argument in ("--set", value)]
        where = ("-n", NAMESPACE, "--create-namespace", "--reset-values", "--wait", "--timeout", "120s")
        return self.run("upgrade", "--install", RELEASE, str(chart), *where, *settings)

    def rollback(self) -> None:
        """Go back to the revision of the release before this one."""
        self.run("rollback", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "120s")

    def uninstall(self) -> None:
        """Remove the release and wait until its objects are gone."""
        self.run("uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "120s")

    def installed(self) -> bool:
        """Tell whether the release is there."""
        return any(
            release["name"] == RELEASE for release in json.loads(self.run("list", "-n", NAMESPACE, "-o", "json"))
        )
