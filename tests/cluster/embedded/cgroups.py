"""The cgroups of the cluster's pods, on cgroup v1 and v2: made before the kubelet starts, removed by `down`."""

from pathlib import Path

from tests.cluster.embedded.layout import Layout

_MOUNT = Path("/sys/fs/cgroup")
_V1_CONTROLLERS = (
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "hugetlb",
    "systemd",
    "unified",
)


def make_cgroups(layout: Layout) -> None:
    """Make the root of the pods' cgroups in every hierarchy."""
    for hierarchy in _hierarchies():
        folder = hierarchy / layout.name
        folder.mkdir(exist_ok=True)
        # A fresh cpuset of v1 has no cores, and nothing can run in it.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (folder / name).exists() and not (folder / name).read_text().strip():
                (folder / name).write_text((hierarchy / name).read_text())
    if _is_v2():
        controllers = (_MOUNT / "cgroup.controllers").read_text().split()
        (_MOUNT / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))


def remove_cgroups(layout: Layout) -> None:
    """Remove the cgroups; their processes have ended."""
    for folder in cgroups(layout):
        folder.rmdir()


def cgroups(layout: Layout) -> list[Path]:
    """Return the cluster's cgroups, children before their parents."""
    roots = [hierarchy / layout.name for hierarchy in _hierarchies()]
    found = [root for root in roots if root.is_dir()]
    found += [path for root in found for path in root.rglob("*") if path.is_dir()]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def _hierarchies() -> list[Path]:
    if _is_v2():
        return [_MOUNT]
    return [_MOUNT / name for name in _V1_CONTROLLERS if (_MOUNT / name).is_dir() and not (_MOUNT / name).is_symlink()]


def _is_v2() -> bool:
    return (_MOUNT / "cgroup.controllers").exists()
