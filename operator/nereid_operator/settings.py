"""The operator's settings: one frozen dataclass from the environment, checked once at the start.

Comes in: the environment, as an argument. Goes out: `Settings`, or SettingsError that names variable, value and what
would be right. Called by __main__; charts/nereid sets the variables.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nereid_operator.errors import SettingsError
from nereid_operator.plan.ir import Image

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set; no namespaces means all of them. A Lease is free `lease_seconds` after its last renewal."""

    model_runtime_image: Image
    watch_namespaces: tuple[str, ...] = ()
    http_port: int = 8080
    concurrency: int = 8
    resync_seconds: int = 300
    pod_name: str = "nereid-operator"
    pod_namespace: str = "default"
    lease_name: str = "nereid-operator"
    lease_seconds: int = 12
    log_level: str = "INFO"
    log_format: str = "text"


def from_env(environ: Mapping[str, str]) -> Settings:
    """Return the settings; an empty variable counts as not set."""
    return Settings(
        model_runtime_image=Image(
            name=_image(environ),
            pull_policy=_choice(environ, "NEREID_IMAGE_PULL_POLICY", ("IfNotPresent", "Always", "Never")),
        ),
        watch_namespaces=_namespaces(environ),
        http_port=_integer(environ, "NEREID_HTTP_PORT", default=8080, lowest=1, highest=65535),
        concurrency=_integer(environ, "NEREID_CONCURRENCY", default=8, lowest=1, highest=256),
        resync_seconds=_integer(environ, "NEREID_RESYNC_SECONDS", default=300, lowest=10, highest=86400),
        pod_name=_dns_name(environ, "NEREID_POD_NAME", default="nereid-operator"),
        pod_namespace=_dns_name(environ, "NEREID_POD_NAMESPACE", default="default"),
        lease_name=_dns_name(environ, "NEREID_LEASE_NAME", default="nereid-operator"),
        lease_seconds=_integer(environ, "NEREID_LEASE_SECONDS", default=12, lowest=1, highest=3600),
        log_level=_choice(environ, "NEREID_LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR")),
        log_format=_choice(environ, "NEREID_LOG_FORMAT", ("text", "json")),
    )


def _image(environ: Mapping[str, str]) -> str:
    value = environ.get("NEREID_MODEL_RUNTIME_IMAGE", "")
    if not _IMAGE.fullmatch(value):
        raise SettingsError(
            f"NEREID_MODEL_RUNTIME_IMAGE is {value!r}; it must name an image, such as nereid.dev/model-runtime:0.1.0"
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


def _namespaces(environ: Mapping[str, str]) -> tuple[str, ...]:
    name = "NEREID_WATCH_NAMESPACES"
    namespaces = tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())
    wrong = [namespace for namespace in namespaces if not _NAMESPACE.fullmatch(namespace)]
    if wrong:
        raise SettingsError(
            f"{name} holds {wrong[0]!r}; it must be a list of namespaces separated by commas, or empty for all"
        )
    return namespaces
