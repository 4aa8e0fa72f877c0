"""The operator's settings: one frozen dataclass from the environment, checked once at the start.

Comes in: the environment, as an argument. Goes out: `Settings`, or SettingsError that names variable, value and what
would be right. Called by __main__; charts/nereid sets the variables.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nereid_operator.api.model_deployment import CA_BUNDLE_KEY, CONFIG_MAP_KEY_PATTERN
from nereid_operator.errors import SettingsError
from nereid_operator.plan.ir import CaBundle, Image, Network, Platform, Proxy
from nereid_operator.render.ports import XDS_PORT

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SAME_NAMESPACE: Mapping[str, Any] = {"podSelector": {}}
_PEER_FIELDS = {"podSelector", "namespaceSelector", "ipBlock"}
_PROXY = re.compile(r"http://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}")


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The gateway that the chart has installed: its objects are `<name>-gateway` and `<name>-xds`.

    `port` is where Envoy listens for clients, `xds_port` where the operator does for Envoy. `tls_secret` is the Secret
    with the listener's certificate, empty for none; the operator makes it where it is self-signed.
    """

    name: str
    port: int = 8080
    xds_port: int = XDS_PORT
    tls_secret: str = ""
    tls_self_signed: bool = False

    def host(self, namespace: str) -> str:
        """Return the gateway's name inside the cluster; `namespace` is that of the chart."""
        return f"{self.name}-gateway.{namespace}.svc"

    def url(self, namespace: str) -> str:
        """Return where clients inside the cluster find it."""
        return f"{'https' if self.tls_secret else 'http'}://{self.host(namespace)}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set; no namespaces means all of them. A Lease is free `lease_seconds` after its last renewal.

    `live_port` 0 leaves the live API out; without a gateway there is no control plane for one.
    """

    platform: Platform
    watch_namespaces: tuple[str, ...] = ()
    http_port: int = 8080
    live_port: int = 0
    concurrency: int = 8
    resync_seconds: int = 300
    pod_name: str = "nereid-operator"
    pod_namespace: str = "default"
    lease_name: str = "nereid-operator"
    lease_seconds: int = 12
    log_level: str = "INFO"
    log_format: str = "text"
    gateway: GatewaySettings | None = None


def from_env(environ: Mapping[str, str]) -> Settings:
    """Return the settings; an empty variable counts as not set."""
    return Settings(
        platform=platform_from_env(environ),
        watch_namespaces=_names(environ, "NEREID_WATCH_NAMESPACES", _NAMESPACE, "namespaces", empty=" for all"),
        http_port=_integer(environ, "NEREID_HTTP_PORT", default=8080, lowest=1, highest=65535),
        live_port=_integer(environ, "NEREID_LIVE_PORT", default=0, lowest=0, highest=65535),
        concurrency=_integer(environ, "NEREID_CONCURRENCY", default=8, lowest=1, highest=256),
        resync_seconds=_integer(environ, "NEREID_RESYNC_SECONDS", default=300, lowest=1, highest=86400),
        pod_name=_dns_name(environ, "NEREID_POD_NAME", default="nereid-operator"),
        pod_namespace=_pod_namespace(environ),
        lease_name=_dns_name(environ, "NEREID_LEASE_NAME", default="nereid-operator"),
        lease_seconds=_integer(environ, "NEREID_LEASE_SECONDS", default=12, lowest=1, highest=3600),
        log_level=_choice(environ, "NEREID_LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR")),
        log_format=_choice(environ, "NEREID_LOG_FORMAT", ("text", "json")),
        gateway=_gateway(environ),
    )


def _gateway(environ: Mapping[str, str]) -> GatewaySettings | None:
    if _choice(environ, "NEREID_GATEWAY_ENABLED", ("false", "true")) == "false":
        return None
    secret = environ.get("NEREID_GATEWAY_TLS_SECRET", "")
    self_signed = _choice(environ, "NEREID_GATEWAY_TLS_SELF_SIGNED", ("false", "true")) == "true"
    if self_signed and not secret:
        raise SettingsError("NEREID_GATEWAY_TLS_SECRET is ''; it must name the Secret of the certificate to be made")
    return GatewaySettings(
        name=_dns_name(environ, "NEREID_GATEWAY_NAME", default="nereid"),
        port=_integer(environ, "NEREID_GATEWAY_PORT", default=8080, lowest=1, highest=65535),
        xds_port=_integer(environ, "NEREID_XDS_PORT", default=XDS_PORT, lowest=1, highest=65535),
        tls_secret=_dns_name(environ, "NEREID_GATEWAY_TLS_SECRET", default="") if secret else "",
        tls_self_signed=self_signed,
    )


def platform_from_env(environ: Mapping[str, str]) -> Platform:
    """Return what the settings say of the pods of every model; the command `nereid plan` asks for this alone."""
    return Platform(
        image=Image(
            name=_image(environ),
            pull_policy=_choice(environ, "NEREID_IMAGE_PULL_POLICY", ("IfNotPresent", "Always", "Never")),
        ),
        proxy=_proxy(environ),
        ca_bundle=_ca_bundle(environ),
        image_pull_secrets=_names(environ, "NEREID_IMAGE_PULL_SECRETS", _DNS_NAME, "Secrets", empty=""),
        network=_network(environ),
        vllm_image=_vllm_image(environ),
    )


def _proxy(environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxies; a list of exceptions alone is none."""
    http, https = _proxy_url(environ, "NEREID_HTTP_PROXY"), _proxy_url(environ, "NEREID_HTTPS_PROXY")
    return Proxy(http, https, environ.get("NEREID_NO_PROXY") or None) if http or https else None


def _proxy_url(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name) or None
    if value is None or _PROXY.fullmatch(value):
        return value
    # Not repeated: such an address may carry a password, and it would stand in the spec of every pod.
    raise SettingsError(f"{name} must be http://<host>:<port>, without user and password")


def _ca_bundle(environ: Mapping[str, str]) -> CaBundle | None:
    if not environ.get("NEREID_CA_BUNDLE_CONFIG_MAP"):
        return None
    name = _dns_name(environ, "NEREID_CA_BUNDLE_CONFIG_MAP", default="")
    key = environ.get("NEREID_CA_BUNDLE_KEY") or CA_BUNDLE_KEY
    if not re.fullmatch(CONFIG_MAP_KEY_PATTERN, key):
        raise SettingsError(f"NEREID_CA_BUNDLE_KEY is {key!r}; it must be the key of a ConfigMap, such as ca.crt")
    return CaBundle(name, key)


def _image(environ: Mapping[str, str]) -> str:
    value = environ.get("NEREID_MODEL_RUNTIME_IMAGE", "")
    if not _IMAGE.fullmatch(value):
        raise SettingsError(
            f"NEREID_MODEL_RUNTIME_IMAGE is {value!r}; it must name an image, such as nereid.dev/model-runtime:0.2.0"
        )
    return value


def _vllm_image(environ: Mapping[str, str]) -> str:
    value = environ.get("NEREID_VLLM_IMAGE", "")
    if value and not _IMAGE.fullmatch(value):
        raise SettingsError(
            f"NEREID_VLLM_IMAGE is {value!r}; it must name an image of Triton with its vLLM backend, or be empty"
        )
    return value


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """Return one of the choices, the first when the variable is not set."""
    value = environ.get(name) or choices[0]
    if value not in choices:
        raise SettingsError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
    return value


def _integer(environ: Mapping[str, str], name: str, *, default: int, lowest: int, highest: int) -> int:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
        raise SettingsError(f"{name} is {text!r}; it must be a whole number from {lowest} to {highest}")
    return int(text)


def _dns_name(environ: Mapping[str, str], name: str, *, default: str) -> str:
    value = environ.get(name) or default
    if not _DNS_NAME.fullmatch(value):
        raise SettingsError(
            f"{name} is {value!r}; it must be a name of lower-case letters, digits, '-' and '.', at most 253 characters"
        )
    return value


def _names(
    environ: Mapping[str, str], name: str, pattern: re.Pattern[str], what: str, *, empty: str
) -> tuple[str, ...]:
    """Return the names of a list with commas; `empty` says what it means to name nothing."""
    names = tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())
    wrong = [entry for entry in names if not pattern.fullmatch(entry)]
    if wrong:
        raise SettingsError(
            f"{name} holds {wrong[0]!r}; it must be a list of {what} separated by commas, or empty{empty}"
        )
    return names


def _pod_namespace(environ: Mapping[str, str]) -> str:
    return _dns_name(environ, "NEREID_POD_NAMESPACE", default="default")


def _network(environ: Mapping[str, str]) -> Network | None:
    wanted = _choice(environ, "NEREID_NETWORK_POLICY", ("true", "false")) == "true"
    return Network(_pod_namespace(environ), _peers(environ)) if wanted else None


def _peers(environ: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
    """Return who may reach the models' pods; the API server checks what stands inside the selectors."""
    name = "NEREID_NETWORK_CLIENTS"
    text = environ.get(name) or json.dumps([_SAME_NAMESPACE])
    try:
        peers = json.loads(text)
    except ValueError:
        peers = None
    if not isinstance(peers, list) or not all(map(_is_peer, peers)):
        raise SettingsError(
            f"{name} is {text!r}; it must be a JSON list of peers of a NetworkPolicy, each with podSelector, "
            "namespaceSelector or both, or with ipBlock alone"
        )
    return tuple(peers)


def _is_peer(peer: object) -> bool:
    if not isinstance(peer, dict) or not peer or not set(peer) <= _PEER_FIELDS:
        return False
    return all(isinstance(value, dict) for value in peer.values()) and ("ipBlock" not in peer or len(peer) == 1)
