"""The only module of the command that talks to the API server: reads, and one stream to a pod.

Comes in: the connection that the command line and kubeconfig name. Goes out: objects as parsed JSON, never the client's
own types; every failure as one error of errors.py. Nothing is ever written.
"""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.stream import portforward
from urllib3.exceptions import HTTPError

from nereid_operator.api.policy_validation import read_policy
from nereid_operator.api.resources import (
    CONFIG_MAP,
    LABEL_MODEL,
    MODEL_DEPLOYMENT,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE_ACCOUNT,
    SERVING_POLICY,
    Body,
)
from nereid_operator.api.serving_policy import Policy
from nereid_operator.cli.errors import ClusterError, ForbiddenError, MissingError
from nereid_operator.cli.evidence import ContainerRun, Evidence, NodeReading, silent_failures
from nereid_operator.errors import SettingsError
from nereid_operator.plan.ir import Platform
from nereid_operator.plan.policy import governing
from nereid_operator.settings import platform_from_env

CONNECT_SECONDS = 5
READ_SECONDS = 30
_OPERATOR_SELECTOR = "app.kubernetes.io/name=nereid-operator"
_IMAGE_VARIABLE = "NEREID_MODEL_RUNTIME_IMAGE"
_LIVE_PORT_VARIABLE = "NEREID_LIVE_PORT"
_LEASE_VARIABLE, _LEASE = "NEREID_LEASE_NAME", "nereid-operator"
# What a refused handshake means here, by its status.
_HANDSHAKES = {
    "403": " (this user needs get and create on pods/portforward in namespace {namespace})",
    "404": " (there is no such pod in namespace {namespace})",
}
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CRD = f"{MODEL_DEPLOYMENT.plural}.{MODEL_DEPLOYMENT.group}"


# The package's types differ from version to version; what is used of it is checked by tests against a server.
_config: Any = config


class _Forward(Protocol):
    """What is used of the package's PortForward."""

    def socket(self, port_number: int) -> socket.socket: ...
    def error(self, port_number: int) -> str | None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Operator:
    """Where the operator's Deployment is, and what its process is told."""

    namespace: str
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Leader:
    """The operator's pod that acts, and the port of its live numbers."""

    namespace: str
    pod: str
    port: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """One API server as one user, in one namespace."""

    api: Any
    namespace: str

    def model(self, name: str) -> Body:
        """Return a ModelDeployment; MissingError when there is none of that name."""
        get = client.CustomObjectsApi(self.api).get_namespaced_custom_object
        what = f'ModelDeployment "{name}" was not found in namespace "{self.namespace}"'
        return _read(get, *self._custom(), name, missing=what)

    def models(self) -> tuple[Body, ...]:
        """Return the ModelDeployments of the namespace."""
        list_models = client.CustomObjectsApi(self.api).list_namespaced_custom_object
        return _items(_read(list_models, *self._custom(), missing=_NOT_INSTALLED))

    def models_of_all_namespaces(self) -> tuple[Body, ...]:
        """Return the ModelDeployments of every namespace."""
        list_models = client.CustomObjectsApi(self.api).list_cluster_custom_object
        path = (MODEL_DEPLOYMENT.group, MODEL_DEPLOYMENT.version, MODEL_DEPLOYMENT.plural)
        return _items(_read(list_models, *path, missing=_NOT_INSTALLED))

    def evidence(self, model: Body) -> Evidence:
        """Return a ModelDeployment with everything below it."""
        label = f"{LABEL_MODEL}={model['metadata']['name']}"
        core, apps, batch = client.CoreV1Api(self.api), client.AppsV1Api(self.api), client.BatchV1Api(self.api)
        pods = self._list(core.list_namespaced_pod, label_selector=label)
        return Evidence(
            model=model,
            deployments=self._list(apps.list_namespaced_deployment, label_selector=label),
            jobs=self._list(batch.list_namespaced_job, label_selector=label),
            pods=pods,
            services=self._list(core.list_namespaced_service, label_selector=label),
            events=self._list(core.list_namespaced_event),
            last_lines={run: self._last_line(run) for run in silent_failures(pods)},
        )

    def surroundings(self, name: str) -> frozenset[tuple[str, str]]:
        """Return what else there is of a model, by kind and name; only a plan asks for it."""
        label = f"{LABEL_MODEL}={name}"
        reads = {
            SERVICE_ACCOUNT: client.CoreV1Api(self.api).list_namespaced_service_account,
            CONFIG_MAP: client.CoreV1Api(self.api).list_namespaced_config_map,
            NETWORK_POLICY: client.NetworkingV1Api(self.api).list_namespaced_network_policy,
            POD_DISRUPTION_BUDGET: client.PolicyV1Api(self.api).list_namespaced_pod_disruption_budget,
        }
        return frozenset(
            (resource.kind, body["metadata"]["name"])
            for resource, read in reads.items()
            for body in self._list(read, label_selector=label)
        )

    def policies(self) -> tuple[Policy, ...]:
        """Return the ServingPolicies that hold in the namespace, in their order."""
        list_policies = client.CustomObjectsApi(self.api).list_cluster_custom_object
        path = (SERVING_POLICY.group, SERVING_POLICY.version, SERVING_POLICY.plural)
        found = tuple(map(read_policy, _items(_read(list_policies, *path))))
        if not found:
            return ()
        namespace = _read(client.CoreV1Api(self.api).read_namespace, self.namespace)
        return governing(found, namespace["metadata"].get("labels") or {})

    def nodes(self) -> NodeReading:
        """Return every node and every pod that has not ended."""
        core = client.CoreV1Api(self.api)
        going = "status.phase!=Succeeded,status.phase!=Failed"
        return NodeReading(
            nodes=_items(_read(core.list_node)),
            pods=_items(_read(core.list_pod_for_all_namespaces, field_selector=going)),
        )

    def platform(self) -> Platform:
        """Return what the operator is told of the pods of every model; MissingError when no operator is seen."""
        return _platform(self._operator().environ)

    def leader(self) -> Leader:
        """Return the operator's pod that acts; MissingError when none is seen to."""
        operator = self._operator()
        namespace, port = operator.namespace, operator.environ.get(_LIVE_PORT_VARIABLE) or "0"
        if not port.isdecimal() or not int(port):
            why = f"it is of an older version, or {_LIVE_PORT_VARIABLE} is not set"
            raise ClusterError(f"the operator in namespace {namespace} gives no live numbers: {why}")
        name = operator.environ.get(_LEASE_VARIABLE) or _LEASE
        see = f"kubectl get pods -n {namespace} -l {_OPERATOR_SELECTOR} says how they are"
        nobody = f"no operator leads: nobody holds the Lease {name}; {see}"
        lease = _read(client.CoordinationV1Api(self.api).read_namespaced_lease, name, namespace, missing=nobody)
        pod = (lease["spec"].get("holderIdentity") or "").rpartition("_")[0]
        if not pod:
            raise MissingError(nobody)
        return Leader(namespace, pod, int(port))

    @contextmanager
    def stream(self, pod: str, port: int) -> Iterator[socket.socket]:
        """Give a socket to a port of a pod, through the API server; it is closed when the block ends."""
        connect_to = client.CoreV1Api(self.api).connect_get_namespaced_pod_portforward
        forward = _forward(connect_to, pod, self.namespace, port)
        try:
            yield forward.socket(port)
        except (OSError, HTTPException) as error:
            words = " ".join(str(forward.error(port) or error).split())
            raise ClusterError(f"the connection to pod {pod} was lost: {words}") from error
        finally:
            forward.close()

    def _operator(self) -> _Operator:
        list_deployments = client.AppsV1Api(self.api).list_deployment_for_all_namespaces
        for deployment in _items(_read(list_deployments, label_selector=_OPERATOR_SELECTOR)):
            for container in deployment["spec"]["template"]["spec"]["containers"]:
                environ = {entry["name"]: entry.get("value") or "" for entry in container.get("env", ())}
                if environ.get(_IMAGE_VARIABLE):
                    return _Operator(deployment["metadata"]["namespace"], environ)
        raise MissingError("no operator of Nereid was found in the cluster")

    def _custom(self) -> tuple[str, str, str, str]:
        return MODEL_DEPLOYMENT.group, MODEL_DEPLOYMENT.version, self.namespace, MODEL_DEPLOYMENT.plural

    def _list(self, call: Callable[..., Any], **selectors: str) -> tuple[Body, ...]:
        return _items(_read(call, self.namespace, **selectors))

    def _last_line(self, run: ContainerRun) -> str:
        """Return the last line of a container's log, or why it cannot be had."""
        read = client.CoreV1Api(self.api).read_namespaced_pod_log
        try:
            log = _call(read, run.pod, self.namespace, container=run.container, previous=run.previous, tail_lines=1)
        except (ClusterError, MissingError) as error:
            return f"(its log cannot be read: {error})"
        return log.decode(errors="replace").strip()


_NOT_INSTALLED = f"the cluster does not know {_CRD}: is Nereid installed?"


def connect(*, kubeconfig: str | None, context: str | None, namespace: str | None) -> Cluster:
    """Return the cluster that kubeconfig names, as kubectl does; inside a pod, the one it runs in."""
    configuration = client.Configuration()
    configuration.retries = False  # a person waits: an answer now, not after three silent attempts
    try:
        if kubeconfig is None and _in_pod(os.environ):
            _config.load_incluster_config(client_configuration=configuration)
            own = (_SERVICE_ACCOUNT / "namespace").read_text().strip()
        else:
            _config.load_kube_config(kubeconfig, context=context, client_configuration=configuration)
            own = _context_namespace(kubeconfig, context)
    except (ConfigException, OSError, ValueError) as error:
        raise ClusterError(f"no way to a cluster: {' '.join(str(error).split())}") from error
    return Cluster(client.ApiClient(configuration), namespace or own)


def _in_pod(environ: Mapping[str, str]) -> bool:
    """Return whether this is a pod without a kubeconfig of its own."""
    own = Path("~/.kube/config").expanduser()
    return "KUBERNETES_SERVICE_HOST" in environ and "KUBECONFIG" not in environ and not own.exists()


def _context_namespace(kubeconfig: str | None, context: str | None) -> str:
    contexts, current = _config.list_kube_config_contexts(kubeconfig)
    chosen = next((entry for entry in contexts if entry["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")


def _forward(connect_to: Callable[..., Any], pod: str, namespace: str, port: int) -> _Forward:
    try:
        forward: _Forward = portforward(connect_to, pod, namespace, ports=str(port))
    except ApiException as error:
        # The package puts headers and body of a refused handshake behind its first words.
        words = _words(error).partition(" -+-+-")[0]
        status = re.match(r"Handshake status (\d+)", words)
        words += _HANDSHAKES.get(status[1], "").format(namespace=namespace) if status else ""
        raise ClusterError(f"no connection to pod {pod} through the API server: {words}") from error
    return forward


def _read(call: Callable[..., Any], *args: str, missing: str = "", **selectors: str) -> Body:
    """Return the parsed answer of a read; `missing` is what a 404 means here."""
    answer: Body = json.loads(_call(call, *args, missing=missing, **selectors))
    return answer


def _call(call: Callable[..., Any], *args: str, missing: str = "", **selectors: str | int) -> bytes:
    timeout = (CONNECT_SECONDS, READ_SECONDS)
    try:
        response = call(*args, _preload_content=False, _request_timeout=timeout, **selectors)
        return bytes(response.data)
    except ApiException as error:
        raise _refusal(error, missing) from error
    except (HTTPError, OSError) as error:
        raise ClusterError(f"the API server cannot be reached: {error}") from error


def _refusal(error: ApiException, missing: str) -> ClusterError | MissingError:
    words = _words(error)
    if error.status in (401, 403):
        return ForbiddenError(words)
    if error.status == 404:
        return MissingError(missing or words)
    return ClusterError(f"the API server answered {error.status}: {words}")


def _words(error: ApiException) -> str:
    """Return what the API server said: the message of its Status object, or what there is instead."""
    try:
        parsed = json.loads(error.body or "")
    except ValueError:
        parsed = None
    said = parsed.get("message") if isinstance(parsed, dict) else None
    return " ".join(str(said or error.reason).split())


def _platform(environ: Mapping[str, str]) -> Platform:
    try:
        return platform_from_env(environ)
    except SettingsError as error:
        raise ClusterError(f"the operator has settings that this version cannot read: {error}") from error


def _items(answer: Body) -> tuple[Body, ...]:
    """Return the objects of a list; the server leaves their kind out, and nobody here misses it."""
    return tuple(answer.get("items") or ())
