"""The network of the cluster: one namespace, one link to the host, one route on the host.

Nothing else of the host's network is touched, and the namespace has no route out: the cluster is hermetic.
Called by `cluster`; both functions may be repeated.
"""

from tests.cluster.commands import run, succeeds
from tests.cluster.embedded.layout import Layout
from tests.cluster.errors import ClusterError


def make_network(layout: Layout) -> None:
    """Make the namespace, the link and the route where they are missing; ClusterError when another cluster has them."""
    holder = link_holder(layout)
    if holder not in {"", layout.name}:
        raise ClusterError(f"the addresses {layout.block} are cluster {holder}'s; give this one another --name")
    if not succeeds("ip", "netns", "exec", layout.name, "true"):
        remove_network(layout)
        run("ip", "netns", "add", layout.name)
    for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.disable_ipv6=1"):
        run("ip", "netns", "exec", layout.name, "sysctl", "-q", "-w", setting)
    run("ip", "-n", layout.name, "link", "set", "lo", "up")
    if not link_holder(layout):
        _make_link(layout)


def remove_network(layout: Layout) -> None:
    """Delete the link and the namespace; the route and every firewall rule of the cluster go with them.

    A cluster of another name may have the same link: that one is left alone.
    """
    if link_holder(layout) == layout.name:
        run("ip", "link", "delete", layout.link)
    if layout.name in network_names():
        run("ip", "netns", "delete", layout.name)


def network_names() -> list[str]:
    """Return the names of the network namespaces there are."""
    return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()]


def link_holder(layout: Layout) -> str:
    """Return the name of the cluster whose namespace holds the other end of the link; empty where there is no link."""
    if not succeeds("ip", "link", "show", layout.link):
        return ""
    words = run("ip", "link", "show", layout.link).split()
    return words[words.index("link-netns") + 1] if "link-netns" in words else layout.name


def _make_link(layout: Layout) -> None:
    taken = run("ip", "-4", "route", "show", "root", str(layout.block)).strip()
    if taken:
        raise ClusterError(
            f"the host already has a route into {layout.block}: {taken}; give the cluster another --name"
        )
    run("ip", "link", "add", layout.link, "type", "veth", "peer", "name", "eth0", "netns", layout.name)
    run("ip", "address", "add", f"{layout.host_address}/30", "dev", layout.link)
    run("ip", "link", "set", layout.link, "up")
    run("ip", "-n", layout.name, "address", "add", f"{layout.node_address}/30", "dev", "eth0")
    run("ip", "-n", layout.name, "link", "set", "eth0", "up")
    run("ip", "route", "replace", str(layout.block), "via", layout.node_address, "dev", layout.link)
