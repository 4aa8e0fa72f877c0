"""What the cluster holds about one ModelDeployment, gathered once; the pure modules take it whole.

Comes from cluster.py; goes to why, listing and planned.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nereid_operator.api.resources import Body
from nereid_operator.observe import PodFacts, pod_facts


class ContainerRun(NamedTuple):
    """One run of a container of a pod; `previous` when the container has been started again since."""

    pod: str
    container: str
    previous: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """One ModelDeployment and everything below it, as the API server gave it.

    `last_lines` holds the last log line of containers that ended in failure without words of their own.
    """

    model: Body
    deployments: tuple[Body, ...] = ()
    jobs: tuple[Body, ...] = ()
    pods: tuple[Body, ...] = ()
    services: tuple[Body, ...] = ()
    events: tuple[Body, ...] = ()
    last_lines: Mapping[ContainerRun, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeReading:
    """Every node, and every pod that takes room on one."""

    nodes: tuple[Body, ...]
    pods: tuple[Body, ...]


def silent_failures(pods: Iterable[Body]) -> tuple[ContainerRun, ...]:
    """Return the containers that ended in failure and left no termination message; their log has to speak."""
    return tuple(run for pod in pods for run in _silent(pod_facts(pod)))


def _silent(pod: PodFacts) -> tuple[ContainerRun, ...]:
    containers = (*pod.init_containers, *pod.containers)
    return tuple(
        ContainerRun(pod.name, container.name, container.running)
        for container in containers
        if container.exit_code not in (None, 0) and not container.ready and not container.termination_message.strip()
    )
