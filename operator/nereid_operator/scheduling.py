"""The scheduler's own words → what the pod needs and why no node has it. Pure; called by waiting and the command `why`.

0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) had untolerated taint {gpu: true}. preemption: …
→ needs 1 nvidia.com/gpu, 0 of 3 nodes have one free (2 tainted); taints: gpu: true

The words are those of k8s.io/kubernetes/pkg/scheduler, `FitError` and the plugins' reasons; what is not understood is
passed on as it is.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from nereid_operator.amounts import Amounts
from nereid_operator.api.quantities import GIBIBYTE, mebibytes

_MESSAGE = re.compile(
    r"(?P<fit>\d+)/(?P<all>\d+) nodes are available: (?P<causes>.*?)\.?(?: (?:preemption:|no new claims).*)?"
)
# A number begins a cause; commas may also stand inside the braces of a taint or in a plugin's own words.
_CAUSE = re.compile(r"(?:^|, )(\d+) ((?:(?!, \d+ )[^{]|\{[^}]*\})+)")
_SHORTAGE = re.compile(r"Insufficient (\S+)")
_TAINT = re.compile(r"node\(s\) had untolerated taint \{([^}]*?)(?:: )?\}")
_MEASURED = frozenset({"cpu", "memory", "ephemeral-storage"})

_BARRIERS: Mapping[str, str] = {
    "node(s) had untolerated taint(s)": "tainted",
    "node(s) had taints that the pod didn't tolerate": "tainted",
    "node(s) were unschedulable": "cordoned",
    "Too many pods": "full of pods",
    "node(s) didn't match Pod's node affinity/selector": "without the labels asked for",
    "node(s) didn't match scheduler-enforced node affinity": "without the labels asked for",
    "node(s) didn't match the requested node name": "of another name",
    "node(s) didn't match pod affinity rules": "without the pods it must be near",
    "node(s) didn't match pod anti-affinity rules": "with pods it must not be near",
    "node(s) didn't satisfy existing pods anti-affinity rules": "with pods that must not be near it",
    "node(s) didn't match pod topology spread constraints": "with too many of its pods",
    "node(s) didn't match pod topology spread constraints (missing required label)": "without the label to spread by",
    "node(s) didn't have free ports for the requested pod ports": "with the port taken",
    "node(s) didn't find available persistent volumes to bind": "without a volume to bind",
    "node(s) didn't match PersistentVolume's node affinity": "out of reach of the volume",
    "node(s) had volume node affinity conflict": "out of reach of the volume",
    "node(s) had no available volume zone": "out of reach of the volume",
    "node(s) did not have enough free storage": "without storage for the volume",
    "node(s) exceed max volume count": "full of volumes",
    "node(s) had no available disk": "with the disk in use",
}


@dataclass(frozen=True, slots=True)
class _Causes:
    """What stands in the way: nodes by resource that is short, nodes by barrier, and the taints as far as named."""

    shortages: Mapping[str, int]
    barriers: Mapping[str, int]
    taints: tuple[str, ...]


def plain(message: str, requests: Amounts) -> str:
    """Return the message of a PodScheduled condition in plain words; `requests` as far as known, by resource name."""
    found = _MESSAGE.fullmatch(message.strip())
    if found is None:
        return message
    causes = _read(found["causes"])
    if not causes.shortages and not causes.barriers:
        return f"{found['fit']} of {found['all']} nodes can take it: {found['causes']}"
    nodes = f"{found['fit']} of {found['all']} nodes"
    taints = f"; taints: {', '.join(causes.taints)}" if causes.taints else ""
    return (_shortage if causes.shortages else _barrier)(nodes, causes, requests) + taints


def _read(text: str) -> _Causes:
    shortages: Counter[str] = Counter()
    barriers: Counter[str] = Counter()
    taints: list[str] = []
    for number, words in _CAUSE.findall(text):
        if short := _SHORTAGE.fullmatch(words):
            shortages[short[1]] += int(number)
        elif taint := _TAINT.fullmatch(words):
            barriers["tainted"] += int(number)
            taints.append(taint[1])
        else:
            barriers[_BARRIERS.get(words, words)] += int(number)
    return _Causes(shortages, barriers, tuple(taints))


def _barrier(nodes: str, causes: _Causes, _: Amounts) -> str:
    return f"{nodes} can take it: {_listed(causes.barriers)}"


def _shortage(nodes: str, causes: _Causes, requests: Amounts) -> str:
    """Return what is needed and how many nodes have it; which nodes lack what, where it is more than one thing."""
    several = len(causes.shortages) > 1
    lacking = {f"short of {name}": number for name, number in sorted(causes.shortages.items())} if several else {}
    aside = _listed({**lacking, **causes.barriers})
    needs = " and ".join(_needed(name, requests.get(name)) for name in sorted(causes.shortages))
    free = "all of it" if several else _free(next(iter(causes.shortages)), requests)
    return f"needs {needs}, {nodes} have {free} free" + (f" ({aside})" if aside else "")


def _needed(name: str, amount: Decimal | None) -> str:
    if amount is None:
        return name
    if name in ("memory", "ephemeral-storage"):
        whole = amount % GIBIBYTE == 0
        return f"{amount / GIBIBYTE:.0f}Gi {name}" if whole else f"{mebibytes(float(amount))} {name}"
    return f"{amount.normalize():f} {name}"


def _free(name: str, requests: Amounts) -> str:
    if name not in requests:
        return "enough"
    if name in _MEASURED:
        return "that much"
    return "one" if requests[name] == 1 else "that many"


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {words}" for words, number in numbers.items())
