"""What the supervisor runs: each component's command line, and what must answer before it starts (pure).

In: the layout and the paths of the built programs. Out: a list that is written to `components.json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.embedded.layout import Layout

_ETCD_URL = "http://127.0.0.1:2379"


@dataclass(frozen=True, slots=True)
class Component:
    """A process that is always to run."""

    name: str
    command: tuple[str, ...]
    gate: str = ""  # URL that must answer 200 before the process starts; empty: nothing to wait for


def components(layout: Layout, programs: Mapping[str, Path]) -> tuple[Component, ...]:
    """Return the components in the order in which they start."""
    config = layout.config
    ready = f"{layout.api_url}/readyz"
    kubelet = _flags(
        config=config / "kubelet.json",
        kubeconfig=config / "kubelet.kubeconfig",
        hostname_override=layout.node,
        node_ip=layout.node_address,
        root_dir="/var/lib/kubelet",
    )
    scheduler = _flags(kubeconfig=config / "scheduler.kubeconfig", leader_elect="false", bind_address="127.0.0.1")
    return (
        Component("etcd", ("etcd", *_etcd(layout))),
        Component("containerd", ("containerd", f"--config={config / 'containerd.toml'}")),
        Component("kube-apiserver", (str(programs["kube-apiserver"]), *_apiserver(layout)), f"{_ETCD_URL}/health"),
        Component("kubelet", (str(programs["kubelet"]), *kubelet), ready),
        Component("kube-controller-manager", (str(programs["kube-controller-manager"]), *_controllers(layout)), ready),
        Component("kube-scheduler", (str(programs["kube-scheduler"]), *scheduler), ready),
        Component("kube-proxy", (str(programs["kube-proxy"]), f"--config={config / 'kube-proxy.json'}"), ready),
    )


def kwok(layout: Layout, programs: Mapping[str, Path]) -> Component:
    """Return kwok, which plays the nodes that carry its annotation and no other."""
    flags = _flags(
        kubeconfig=layout.kubeconfig,
        config=layout.config / "stages.json",
        manage_nodes_with_annotation_selector="kwok.x-k8s.io/node=fake",
        cidr=layout.fake_pods,
        node_ip=layout.node_address,
        node_lease_duration_seconds=20,
    )
    return Component("kwok", (str(programs["kwok"]), *flags), f"{layout.api_url}/readyz")


def _etcd(layout: Layout) -> tuple[str, ...]:
    return _flags(
        name="etcd",
        data_dir=layout.state / "etcd",
        listen_client_urls=_ETCD_URL,
        advertise_client_urls=_ETCD_URL,
        listen_peer_urls="http://127.0.0.1:2380",
        initial_advertise_peer_urls="http://127.0.0.1:2380",
        initial_cluster="etcd=http://127.0.0.1:2380",
        # Two busy cores are no reason to elect a leader anew.
        heartbeat_interval=500,
        election_timeout=5000,
        auto_compaction_retention=1,
        log_level="warn",
        logger="zap",
    )


def _apiserver(layout: Layout) -> tuple[str, ...]:
    files = layout.certificates
    return _flags(
        advertise_address=layout.node_address,
        bind_address="0.0.0.0",
        etcd_servers=_ETCD_URL,
        service_cluster_ip_range=layout.services,
        authorization_mode="Node,RBAC",
        # The second is what some distributions add: who sets owner references needs the right to.
        enable_admission_plugins="NodeRestriction,OwnerReferencesPermissionEnforcement",
        allow_privileged="true",
        client_ca_file=files / "ca.crt",
        tls_cert_file=files / "apiserver.crt",
        tls_private_key_file=files / "apiserver.key",
        kubelet_certificate_authority=files / "ca.crt",
        kubelet_client_certificate=files / "apiserver-kubelet-client.crt",
        kubelet_client_key=files / "apiserver-kubelet-client.key",
        # The node's name is in nobody's DNS: exec and logs go to its address.
        kubelet_preferred_address_types="InternalIP",
        service_account_issuer="https://kubernetes.default.svc.cluster.local",
        service_account_key_file=files / "service-account.pub",
        service_account_signing_key_file=files / "service-account.key",
        audit_log_path=layout.audit_log,
        audit_policy_file=layout.config / "audit.json",
        # Tests read the log as one file.
        audit_log_maxsize=2000,
        event_ttl="2h",
        # etcd 3.4 cannot stream a list; told so at once, clients list instead of trying again ever more slowly.
        feature_gates="WatchList=false",
    )


def _controllers(layout: Layout) -> tuple[str, ...]:
    files = layout.certificates
    return _flags(
        kubeconfig=layout.config / "controller-manager.kubeconfig",
        bind_address="127.0.0.1",
        leader_elect="false",
        use_service_account_credentials="true",
        root_ca_file=files / "ca.crt",
        service_account_private_key_file=files / "service-account.key",
        cluster_signing_cert_file=files / "ca.crt",
        cluster_signing_key_file=files / "ca.key",
    )


def _flags(**values: object) -> tuple[str, ...]:
    """`node_ip=x` → `--node-ip=x`: some components misread a flag and its value as two words."""
    return tuple(f"--{name.replace('_', '-')}={value}" for name, value in values.items())
