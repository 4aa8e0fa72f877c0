"""What every measurement needs: the stand, a client for users and kubelets, and how to tell that all is done."""

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.control.audit import Write, missing
from bench.control.load import Client
from bench.control.models import children
from bench.control.operator import Operator, running
from bench.control.options import Options
from bench.control.stand import Stand
from bench.control.wait import eventually
from nereid_operator.api.conditions import ConditionStatus
from nereid_operator.api.resources import DEPLOYMENT, Body, Resource
from nereid_operator.status import ready_condition

Objects = list[tuple[Resource, Body]]

# The controllers of Kubernetes make 20 requests a second each: a ModelDeployment takes them a quarter of a second.
_SECONDS_PER_MODEL = 2.0
_SECONDS_AT_LEAST = 60.0


@dataclass(frozen=True, slots=True)
class Scene:
    """The stand with everybody on it but the operator."""

    options: Options
    stand: Stand
    users: Client

    def operator(self, log: str, **environment: str) -> AbstractAsyncContextManager[Operator]:
        """Give an operator with the chart's settings, and what is said here instead."""
        variables = {
            **self.stand.environment,
            "NEREID_RESYNC_SECONDS": str(self.options.resync_seconds),
            **environment,
        }
        return running(variables, self.stand.operator_kubeconfig, Path(self.options.logs) / f"{log}.log")

    def writes(self, start: int) -> tuple[Write, ...]:
        """Return what the operator, or whoever has its name, wrote since that position of the audit log."""
        return self.stand.audit.writes(start, self.stand.user)

    async def children(self, namespace: str) -> list[Objects]:
        """Return the children that the ModelDeployments of a namespace shall have."""
        return [children(body, self.stand.settings.platform) for body in await self.users.models(namespace)]

    async def complete(self, start: int, objects: Iterable[Objects]) -> None:
        """Wait until each of the objects was written."""
        wanted = frozenset(
            (resource.plural, manifest["metadata"]["name"]) for models in objects for resource, manifest in models
        )

        async def probe() -> bool:
            return not missing(await asyncio.to_thread(self.writes, start), wanted)

        await eventually(f"{len(wanted)} children", probe, seconds=_patience(len(wanted)), interval=1.0)

    async def deployed(self, namespace: str, count: int) -> None:
        """Wait until that many Deployments have all their replicas."""

        async def probe() -> bool:
            found = await self.users.kube.list(DEPLOYMENT, namespace=namespace)
            return len(found.items) >= count and all(map(_has_replicas, found.items))

        await eventually(f"{count} Deployments with all replicas", probe, seconds=_patience(count), interval=2.0)

    async def ready(self, namespace: str, count: int) -> None:
        """Wait until that many ModelDeployments are Ready for the spec they have."""

        async def probe() -> bool:
            bodies = await self.users.models(namespace)
            return len(bodies) >= count and all(map(_is_ready, bodies))

        await eventually(f"{count} ModelDeployments Ready", probe, seconds=_patience(count), interval=2.0)

    async def cleared(self, namespace: str, count: int) -> None:
        """Wait until that many pods are left: those of older revisions take their time to go."""

        async def probe() -> bool:
            return len(await self.users.pods(namespace)) == count

        await eventually(f"{count} pods and no more", probe, seconds=_patience(count), interval=2.0)

    async def silent(self) -> None:
        """Wait until the operator has written nothing for a while."""
        position, silence = self.stand.audit.position(), 0.0
        while silence < self.options.silence_seconds:
            await asyncio.sleep(1.0)
            quiet = not self.writes(position)
            position, silence = self.stand.audit.position(), silence + 1.0 if quiet else 0.0


def kinds(objects: Iterable[Objects]) -> frozenset[str]:
    """Return the plurals of the kinds that are among the children."""
    return frozenset(resource.plural for models in objects for resource, _ in models)


def _patience(count: int) -> float:
    return max(_SECONDS_PER_MODEL * count, _SECONDS_AT_LEAST)


def _is_ready(body: Body) -> bool:
    ready = ready_condition(body.get("status", {}))
    return (
        ready.get("status") == ConditionStatus.TRUE
        and ready.get("observedGeneration") == body["metadata"]["generation"]
    )


def _has_replicas(body: Body) -> bool:
    status = body.get("status", {})
    return bool(
        status.get("observedGeneration") == body["metadata"]["generation"]
        and status.get("readyReplicas", 0) == body["spec"]["replicas"]
        and status.get("replicas", 0) == body["spec"]["replicas"]
    )
