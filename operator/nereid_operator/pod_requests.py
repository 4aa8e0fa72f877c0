"""What a pod asks the scheduler for, as the scheduler adds it up. PodSpec → amounts, pure.

Containers run together; init containers run one after the other before them, except sidecars (restartPolicy Always),
which stay. The pod asks for the larger of the two moments, plus the overhead of its RuntimeClass (Kubernetes,
"Resource sharing within containers"). What has a limit and no request asks for its limit.
"""

from decimal import Decimal

from nereid_operator.amounts import Amounts, amounts, largest, total
from nereid_operator.api.resources import Body


def container_requests(container: Body) -> dict[str, Decimal]:
    """Return the requests of one container by resource name."""
    resources = container.get("resources") or {}
    return {**amounts(resources.get("limits")), **amounts(resources.get("requests"))}


def pod_requests(spec: Body) -> dict[str, Decimal]:
    """Return the requests of a whole pod by resource name; every pod also takes one of `pods`."""
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.get("initContainers") or ():
        asked = container_requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars = total([sidecars, asked])
            starting = largest(starting, sidecars)
            continue
        starting = largest(starting, total([sidecars, asked]))
    running = total([sidecars, *(container_requests(container) for container in spec["containers"])])
    whole = {**largest(starting, running), **amounts((spec.get("resources") or {}).get("requests"))}
    return {**total([whole, amounts(spec.get("overhead"))]), "pods": Decimal(1)}
