"""Where an embedded cluster lives: its names, addresses and paths, all derived from its name.

Pure. Every other module of the back end takes a Layout; nothing else knows an address or a path.
Each cluster has a slot, one eighth of the benchmarking range 198.18.0.0/15, so that clusters can stand side by side:

    real pods /20 │ pods of kwok nodes /20 │ Services /20 │ link between host and node /30
"""

import ipaddress
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

DEFAULT_NAME = "nereid"
_RANGE = ipaddress.IPv4Network("198.18.0.0/15")


class InvalidNameError(ValueError):
    """The name of a cluster cannot name a namespace and a cgroup."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Names, addresses and paths of one cluster."""

    name: str
    slot: int
    state: Path

    @property
    def block(self) -> ipaddress.IPv4Network:
        """All addresses of this cluster; the host has one route, to this."""
        return list(_RANGE.subnets(new_prefix=18))[self.slot]

    @property
    def pods(self) -> ipaddress.IPv4Network:
        """Addresses of pods that run."""
        return self._part(0)

    @property
    def fake_pods(self) -> ipaddress.IPv4Network:
        """Addresses of pods on kwok nodes."""
        return self._part(1)

    @property
    def services(self) -> ipaddress.IPv4Network:
        """Addresses of Services."""
        return self._part(2)

    @property
    def host_address(self) -> str:
        """The host's end of the link."""
        return str(self._part(3)[1])

    @property
    def node_address(self) -> str:
        """The node's end of the link; also where the API server listens."""
        return str(self._part(3)[2])

    @property
    def api_service_address(self) -> str:
        """The ClusterIP of `kubernetes.default`."""
        return str(self.services[1])

    @property
    def dns_address(self) -> str:
        """The ClusterIP of the cluster's DNS."""
        return str(self.services[10])

    @property
    def api_url(self) -> str:
        """The API server, as host and node reach it."""
        return f"https://{self.node_address}:6443"

    @property
    def link(self) -> str:
        """The host's network interface; at most 15 characters."""
        return f"nereid{self.slot}"

    @property
    def node(self) -> str:
        """The name of the one real node."""
        return f"{self.name}-node"

    @property
    def certificates(self) -> Path:
        """Keys and certificates."""
        return self.state / "certificates"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def logs(self) -> Path:
        """One log per component."""
        return self.state / "logs"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, one JSON object a line."""
        return self.state / "audit.log"

    @property
    def config(self) -> Path:
        """The components' configuration."""
        return self.state / "config"

    @property
    def components(self) -> Path:
        """What the supervisor runs; it reads the file again on SIGHUP."""
        return self.config / "components.json"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens, on the host and in the node alike."""
        return self.state / "containerd.sock"

    def _part(self, index: int) -> ipaddress.IPv4Network:
        return list(self.block.subnets(new_prefix=20))[index]


def make_layout(name: str, state_home: Path) -> Layout:
    """Return the layout of a cluster; the default name has slot 0, any other one of 1 to 7 by its checksum (pure)."""
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", name):
        raise InvalidNameError(
            f"cluster name {name!r}: at most 20 lower-case letters, digits and hyphens, a letter first"
        )
    slot = 0 if name == DEFAULT_NAME else 1 + zlib.crc32(name.encode()) % 7
    return Layout(name=name, slot=slot, state=state_home / name)
