"""The cache of models in the pods of replicas: a claim of the namespace, which `prepare` alone sees. Pure."""

from typing import Any

from nereid_operator.plan.ir import ModelCache

CACHE_PATH = "/var/cache/nereid"
_VOLUME = "cache"


def cache_volumes(cache: ModelCache | None) -> list[dict[str, Any]]:
    """Return the volume of the claim."""
    if cache is None:
        return []
    return [{"name": _VOLUME, "persistentVolumeClaim": {"claimName": cache.claim}}]


def cache_mounts(cache: ModelCache | None) -> list[dict[str, Any]]:
    """Return the mount that belongs to `cache_volumes`."""
    return [{"name": volume["name"], "mountPath": CACHE_PATH} for volume in cache_volumes(cache)]


def cache_arguments(cache: ModelCache | None) -> list[str]:
    """Return the arguments by which `prepare` uses it."""
    if cache is None:
        return []
    bound = [] if cache.limit_bytes is None else [f"--cache-bytes={cache.limit_bytes}"]
    return [f"--cache={CACHE_PATH}", *bound]
