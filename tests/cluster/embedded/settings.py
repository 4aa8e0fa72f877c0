"""The components' configuration files, as data (pure). JSON is YAML to all of them; containerd alone wants TOML.

Called by `cluster` when the cluster starts; every value that differs from the components' defaults says why.
"""

from pathlib import Path
from typing import Any

from tests.cluster.embedded.layout import Layout

PAUSE_IMAGE = "nereid.dev/pause:1"
_CNI_PLUGINS = "/usr/lib/cni"


def kubelet(layout: Layout) -> dict[str, Any]:
    """KubeletConfiguration."""
    files = layout.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{files}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{files}/kubelet.crt",
        "tlsPrivateKeyFile": f"{files}/kubelet.key",
        "address": layout.node_address,
        "healthzBindAddress": "127.0.0.1",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.name}",
        "clusterDomain": "cluster.local",
        "clusterDNS": [layout.dns_address],
        # Not the host's: a name outside the cluster must fail at once, not reach out.
        "resolvConf": str(layout.config / "resolv.conf"),
        "failSwapOn": False,
        "maxPods": 200,
        # The disk is that of whoever runs this, however full: it must not cost an image or a pod.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        # Started pods are seen sooner than with the default of one minute between full passes.
        "syncFrequency": "10s",
        "nodeStatusReportFrequency": "30s",
        # How full a pod's volumes are is measured after one to two such periods; the default is a minute.
        "volumeStatsAggPeriod": "10s",
        "serializeImagePulls": False,
    }


def kube_proxy(layout: Layout) -> dict[str, Any]:
    """KubeProxyConfiguration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": str(layout.pods),
        "clientConnection": {"kubeconfig": str(layout.config / "kube-proxy.kubeconfig")},
        "hostnameOverride": layout.node,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # The limits of connection tracking belong to the whole machine: left as they are.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        # Rules follow endpoints within 0.1 s; the default of 1 s slows every test that waits for a Service.
        "iptables": {"minSyncPeriod": "100ms"},
    }


def audit_policy() -> dict[str, Any]:
    """Every request once, when it is answered, without bodies."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    }


def cni(layout: Layout) -> dict[str, Any]:
    """A point-to-point link per pod: all traffic between pods is routed, so Services work without bridge filters."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": str(layout.pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/var/lib/cni/addresses",
    }
    return {
        "cniVersion": "0.4.0",
        "name": layout.name,
        "plugins": [{"type": "ptp", "ipam": ipam}, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def containerd(layout: Layout, root: Path, *, may_raise_limits: bool) -> str:
    """containerd's config.toml; without CAP_SYS_RESOURCE no container may ask for a lower OOM score than ours."""
    return f"""version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{layout.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = {"false" if may_raise_limits else "true"}
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{_CNI_PLUGINS}"
  conf_dir = "{layout.config}/cni"
"""


def resolv_conf(layout: Layout) -> str:
    """The resolver of pods that ask for the node's: the cluster's DNS, which says NXDOMAIN to names outside."""
    return f"nameserver {layout.dns_address}\n"
