"""The distribution's packages that the embedded cluster stands on; installs only what is missing.

Called by the embedded back end before anything else. Debian and its kin only: elsewhere the missing programs are named.
"""

import os

from tests.cluster.commands import find, run, succeeds
from tests.cluster.errors import CommandError, MissingToolError, NotRootError
from tests.cluster.progress import say

# Program → package. The folder of CNI plugins stands for its package.
RUN_PROGRAMS = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "socat": "socat",
    "ethtool": "ethtool",
    "busybox": "busybox-static",
    "ip": "iproute2",
    "openssl": "openssl",
}
BUILD_PROGRAMS = {"mmdebstrap": "mmdebstrap", "buildah": "buildah"}


def ensure_packages(programs: dict[str, str]) -> None:
    """Install the packages of the programs that are not there; MissingToolError where that cannot be done."""
    missing = sorted({package for program, package in programs.items() if find(program) is None})
    if not missing:
        return
    if find("apt-get") is None:
        raise MissingToolError(f"missing, and there is no apt-get to install them: {', '.join(missing)}")
    require_root("installing packages")
    say(f"installing {', '.join(missing)}")
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)
    # A package starts its service on installation; the cluster starts its own etcd and containerd.
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    if not succeeds("env", *(f"{name}={value}" for name, value in quiet.items()), *install):
        run("apt-get", "update", "-qq")
        run(*install, extra=quiet)
    absent = sorted(program for program in programs if find(program) is None)
    if absent:
        raise CommandError(f"installed {', '.join(missing)}, yet there is no {', '.join(absent)}")


def require_root(what: str) -> None:
    """Raise NotRootError unless this runs as root."""
    if os.geteuid() != 0:
        raise NotRootError(f"{what} needs root: run it with sudo, or start a Docker engine and use kind")
