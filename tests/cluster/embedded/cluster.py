"""The embedded back end: brings the cluster up, says how it is, takes it down.

Called by the command line through `backends`. Every step of `up` looks at what is there and does what is missing, so it
mends a crash, a reboot or a cut-off `up` as it makes a new cluster.
"""

import hashlib
import json
import os
import platform
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.binaries import cache_folder
from tests.cluster.commands import locked, require, run
from tests.cluster.embedded import addons, components, settings
from tests.cluster.embedded.api import Api, connect, path_of
from tests.cluster.embedded.certificates import ensure_certificates, write_kubeconfigs
from tests.cluster.embedded.cgroups import cgroups, make_cgroups, remove_cgroups
from tests.cluster.embedded.dns import resolves
from tests.cluster.embedded.imagestore import load_archive, load_system_images, loaded_images, name_image_again
from tests.cluster.embedded.layout import Layout
from tests.cluster.embedded.network import link_holder, make_network, network_names, remove_network
from tests.cluster.embedded.node import MOUNT_POINTS, members, start_supervisor, stop, supervisor
from tests.cluster.embedded.stages import stage_file
from tests.cluster.errors import CommandError, DiskSpaceError, LeftoverError, NotReadyError, NotRunningError
from tests.cluster.gobinaries import ensure_binaries
from tests.cluster.packages import RUN_PROGRAMS, ensure_packages, require_root
from tests.cluster.progress import say
from tests.stack.wait import wait_for

_BYTES_TO_RUN = 3 * 2**30
_READY_SECONDS = 120.0
_CAP_SYS_RESOURCE = 24
_NAME_THAT_RESOLVES = "kubernetes.default.svc.cluster.local"
_DEPLOYMENTS = (
    ("coredns", "Available", "kube-system"),
    ("local-path-provisioner", "Available", "local-path-storage"),
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A Kubernetes of one node on this machine."""

    layout: Layout
    gpus: int

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def audit_log(self) -> Path | None:
        """The API server's audit log."""
        return self.layout.audit_log

    def up(self) -> None:
        """Bring the cluster up, or mend it; return when it is ready."""
        require_root("the embedded cluster")
        ensure_packages(RUN_PROGRAMS)
        programs = ensure_binaries()
        start = time.monotonic()
        with self._lock():
            if self._is_up(programs):
                say(f"cluster {self.layout.name} is up already")
                return
            self._start(programs)
        say(f"cluster {self.layout.name} is ready after {time.monotonic() - start:.1f} s: KUBECONFIG={self.kubeconfig}")

    def down(self) -> None:
        """End the cluster and remove all that it made; LeftoverError names what would not go."""
        require_root("the embedded cluster")
        with self._lock():
            self._stop()
            shutil.rmtree(self.layout.state, ignore_errors=True)
            if (home := self.layout.state.parent).is_dir() and not any(home.iterdir()):
                home.rmdir()
            if left := leftovers(self.layout):
                raise LeftoverError(f"still there after down: {', '.join(left)}")
        say(f"cluster {self.layout.name} is down")

    def status(self) -> list[str]:
        """Say how the cluster is, a line for each component."""
        if (first := supervisor(self.layout)) is None:
            return [f"cluster {self.layout.name} (embedded) is down"]
        api = connect(self.layout)
        lines = [f"cluster {self.layout.name} (embedded) is {'up' if api.ready() else 'starting or broken'}"]
        wanted = {item["command"][0].rsplit("/", 1)[-1] for item in json.loads(self.layout.components.read_text())}
        for process in members(self.layout):
            name = process.command[0].rsplit("/", 1)[-1]
            if process.namespace == first.namespace and name in wanted:
                lines.append(f"  {name:24} pid {process.pid:<8} {_resident_mib(process.pid):4} MiB")
        lines += [f"KUBECONFIG={self.kubeconfig}", f"audit log: {self.audit_log}", f"logs: {self.layout.logs}"]
        return lines

    def is_running(self) -> bool:
        """Tell whether the cluster's processes are there."""
        return supervisor(self.layout) is not None

    def image_id(self, tag: str) -> str:
        """Return the id of a loaded image; empty where it is not loaded."""
        return loaded_images(self.layout).get(tag, "")

    def load(self, tag: str, image_id: str, archive: Path) -> None:
        """Load a docker archive into the node."""
        load_archive(self.layout, tag, image_id, archive)

    def name_again(self, tag: str, other: str) -> None:
        """Give a loaded image another tag."""
        name_image_again(self.layout, tag, other)

    def add_fake_nodes(self, count: int) -> None:
        """Run kwok, and have it play this many nodes."""
        if (first := supervisor(self.layout)) is None:
            raise NotRunningError(f"cluster {self.layout.name} is down: run `up` first")
        with self._lock():
            self._kwok_flag.touch()
            self._write_components(ensure_binaries())
            os.kill(first.pid, signal.SIGHUP)
        api = connect(self.layout)
        for index in range(count):
            node = addons.fake_node(index)
            api.apply(node)
            resources = addons.fake_capacity(self.gpus)
            status = {"status": {"capacity": resources, "allocatable": resources}}
            api.merge(f"{path_of('Node', node['metadata']['name'])}/status", status)
        names = [f"kwok-{index}" for index in range(count)]
        _await(self.layout, "kwok nodes Ready", lambda: all(_is_true(api, "Node", name, "Ready") for name in names))

    @property
    def _kwok_flag(self) -> Path:
        return self.layout.state / "kwok.wanted"

    def _lock(self) -> AbstractContextManager[None]:
        # One lock for all clusters: they share mount points on the host.
        return locked(cache_folder() / "cluster" / "clusters.lock")

    def _start(self, programs: Mapping[str, Path]) -> None:
        """From whatever there is to a ready cluster."""
        layout = self.layout
        self._stop()
        _check_disk(layout)
        layout.state.mkdir(parents=True, exist_ok=True)
        make_network(layout)
        make_cgroups(layout)
        ensure_certificates(layout)
        write_kubeconfigs(layout)
        _write_settings(layout)
        self._write_components(programs)
        started = datetime.now(UTC).replace(microsecond=0)  # heartbeats are told in whole seconds
        start_supervisor(layout)
        say(f"cluster {layout.name}: starting the control plane")
        _await(layout, "containerd", lambda: layout.containerd_socket.is_socket() and _answers(layout))
        load_system_images(layout, programs, Path(require("busybox", "package busybox-static")), platform.machine())
        api = connect(layout)
        _await(layout, "API server", api.ready)
        say(f"cluster {layout.name}: the API server is ready; DNS, storage and the node follow")
        for item in addons.addons(layout):
            api.apply(item)
        # The API server remembers what was true before a crash: only a new heartbeat and an answer count.
        _await(layout, "node Ready", lambda: _is_ready_since(api, layout.node, started))
        self._add_gpus(api)
        _await(layout, "CoreDNS", lambda: resolves(layout.dns_address, _NAME_THAT_RESOLVES))
        _await(layout, "deployments", lambda: all(_is_true(api, "Deployment", *item) for item in _DEPLOYMENTS))
        _await(layout, "service account", lambda: api.get(path_of("ServiceAccount", "default", "default")) is not None)
        _await(layout, "StorageClass", lambda: api.get(path_of("StorageClass", "local-path")) is not None)
        (layout.state / "fingerprint").write_text(self._fingerprint(programs))

    def _stop(self) -> None:
        stop(self.layout)
        remove_network(self.layout)
        remove_cgroups(self.layout)
        self.layout.containerd_socket.unlink(missing_ok=True)

    def _is_up(self, programs: Mapping[str, Path]) -> bool:
        """Tell whether the running cluster is what this version would start, and healthy."""
        noted = self.layout.state / "fingerprint"
        if supervisor(self.layout) is None or not noted.exists() or noted.read_text() != self._fingerprint(programs):
            return False
        api = connect(self.layout)
        healthy = api.ready() and _is_true(api, "Node", self.layout.node, "Ready")
        return healthy and resolves(self.layout.dns_address, _NAME_THAT_RESOLVES)

    def _fingerprint(self, programs: Mapping[str, Path]) -> str:
        """Return a digest of everything that is configured (pure)."""
        parts = [asdict(item) for item in components.components(self.layout, programs)]
        text = json.dumps([parts, list(_settings(self.layout).values()), addons.addons(self.layout), self.gpus])
        return hashlib.sha256(text.encode()).hexdigest()

    def _write_components(self, programs: Mapping[str, Path]) -> None:
        wanted = list(components.components(self.layout, programs))
        if self._kwok_flag.exists():
            wanted.append(components.kwok(self.layout, programs))
        fresh = self.layout.components.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(item) for item in wanted], indent=1))
        fresh.rename(self.layout.components)

    def _add_gpus(self, api: Api) -> None:
        """Give the real node its fake GPUs."""
        resources = {"nvidia.com/gpu": str(self.gpus)}
        status = {"status": {"capacity": resources, "allocatable": resources}}
        api.merge(f"{path_of('Node', self.layout.node)}/status", status)


def leftovers(layout: Layout) -> list[str]:
    """Return what there is of a cluster: nothing, after `down`."""
    left = [f"process {process.pid} {process.command[0]}" for process in members(layout)]
    left += [f"network namespace {layout.name}"] if layout.name in network_names() else []
    if link_holder(layout) == layout.name:
        left += [f"interface {layout.link}"]
        left += [f"route {line}" for line in run("ip", "-4", "route", "show", "root", str(layout.block)).splitlines()]
    left += [f"cgroup {path}" for path in cgroups(layout)]
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    left += [f"mount {path}" for path in mounts if path.startswith((str(layout.state), *map(str, MOUNT_POINTS)))]
    left += [f"folder {layout.state}"] if layout.state.exists() else []
    return left


def _settings(layout: Layout) -> dict[str, str]:
    """File name → content of the components' configuration (pure but for the capabilities of this process)."""
    return {
        "kubelet.json": json.dumps(settings.kubelet(layout), indent=1),
        "kube-proxy.json": json.dumps(settings.kube_proxy(layout), indent=1),
        "audit.json": json.dumps(settings.audit_policy(), indent=1),
        "cni/10-nereid.conflist": json.dumps(settings.cni(layout), indent=1),
        "containerd.toml": settings.containerd(
            layout, layout.state / "containerd", may_raise_limits=_has_capability(_CAP_SYS_RESOURCE)
        ),
        "stages.json": stage_file(),
        "resolv.conf": settings.resolv_conf(layout),
    }


def _write_settings(layout: Layout) -> None:
    for name, content in _settings(layout).items():
        path = layout.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def _check_disk(layout: Layout) -> None:
    home = layout.state.parent
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    if free < _BYTES_TO_RUN:
        raise DiskSpaceError(f"the cluster needs 3 GiB in {home}, {free / 2**30:.1f} GiB are free")
    if run("stat", "--file-system", "--format=%T", home).strip() == "overlayfs":
        raise DiskSpaceError(f"{home} is on overlayfs, which cannot hold containers: set XDG_STATE_HOME to a real disk")


def _await(layout: Layout, what: str, probe: Callable[[], bool]) -> None:
    try:
        wait_for(what, probe, seconds=_READY_SECONDS, interval=0.1)
    except TimeoutError as late:
        raise NotReadyError(f"{late}; the components' logs are in {layout.logs}") from None


def _answers(layout: Layout) -> bool:
    """Tell whether containerd takes calls; its socket appears a moment earlier."""
    try:
        loaded_images(layout)
    except CommandError:
        return False
    return True


def _is_true(api: Api, kind: str, name: str, condition: str, namespace: str = "") -> bool:
    """Tell whether an object has a condition that is True."""
    found = api.get(path_of(kind, name, namespace)) or {}
    conditions = found.get("status", {}).get("conditions", [])
    return any(entry["type"] == condition and entry["status"] == "True" for entry in conditions)


def _is_ready_since(api: Api, node: str, moment: datetime) -> bool:
    """Tell whether the kubelet has said that the node is Ready at or after the moment."""
    conditions = (api.get(path_of("Node", node)) or {}).get("status", {}).get("conditions", [])
    ready = next((entry for entry in conditions if entry["type"] == "Ready"), None)
    return (
        ready is not None and ready["status"] == "True" and datetime.fromisoformat(ready["lastHeartbeatTime"]) >= moment
    )


def _has_capability(number: int) -> bool:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    return bool(int(line.split()[1], 16) >> number & 1)


def _resident_mib(pid: int) -> int:
    """Return the resident memory of a process in MiB; 0 where it just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
