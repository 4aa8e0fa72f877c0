"""The command `plan`: file → validated manifests → what is known of the cluster → text. Called by __main__.

A plan is of use without a cluster, or with rights to little of it: what cannot be read becomes a note in the answer.
"""

import argparse
import importlib.metadata
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from nereid_operator.api.model_deployment import ModelDeployment
from nereid_operator.api.resources import Body
from nereid_operator.api.serving_policy import Policy
from nereid_operator.api.validation import validate
from nereid_operator.cli.cluster import Cluster
from nereid_operator.cli.commands import connected
from nereid_operator.cli.errors import ClusterError, MissingError, UsageError
from nereid_operator.cli.evidence import Evidence
from nereid_operator.cli.manifests import model_deployments, placed, unknown_fields
from nereid_operator.cli.planned import Assumption, Situation, refusal, report
from nereid_operator.cli.terminal import Terminal
from nereid_operator.plan.ir import Image, Network, Platform
from nereid_operator.plan.limits import limits
from nereid_operator.plan.policy import judge

_Answer = TypeVar("_Answer")
_IMAGE = "nereid.dev/model-runtime"
_NETWORK = Network(operator_namespace="default", clients=())  # that there are rules is the default; these are not shown


def plan(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show what the manifests of a file would create; 1 when one of them is not valid, or forbidden by a policy."""
    bodies = model_deployments(_text(arguments.filename, terminal), arguments.filename)
    notes: list[str] = []
    cluster = _attempt(lambda: connected(arguments), notes, "no cluster was asked")
    namespace = cluster.namespace if cluster else arguments.namespace or "default"
    complete = [placed(body, namespace, asked=arguments.namespace) for body in bodies]
    answers = [_answer(arguments, cluster, body, notes) for body in complete]
    terminal.say("\n\n---\n\n".join(text for text, _ in answers))
    return max(code for _, code in answers)


def _answer(arguments: argparse.Namespace, cluster: Cluster | None, body: Body, said: Iterable[str]) -> tuple[str, int]:
    """Return the text about one manifest, and its exit code."""
    name = str(body["metadata"].get("name", "without a name"))
    md = validate(body)
    if not isinstance(md, ModelDeployment):
        return refusal(name, md), 1
    notes = list(said)
    policies = _policies(cluster, md, notes)
    judgement = judge(md, policies)
    if judgement.violations:
        return refusal(name, judgement.violations), 1
    situation = _situation(arguments, cluster, judgement.md, body, notes)
    return report(judgement.md, replace(situation, platform=limits(policies).narrowed(situation.platform))), 0


def _policies(cluster: Cluster | None, md: ModelDeployment, notes: list[str]) -> tuple[Policy, ...]:
    if cluster is None:
        return ()
    there = replace(cluster, namespace=md.metadata.namespace)
    return _attempt(there.policies, notes, "ServingPolicies may forbid it or fill in defaults, but are not known") or ()


def _situation(
    arguments: argparse.Namespace, cluster: Cluster | None, md: ModelDeployment, body: Body, said: list[str]
) -> Situation:
    """Gather what is known besides the manifest."""
    size: int | None = arguments.bytes
    situation = Situation(
        platform=Platform(Image(arguments.image or f"{_IMAGE}:{_version()}", "IfNotPresent"), network=_NETWORK),
        live=None,
        reading=None,
        assumption=None if size is None else Assumption(size, arguments.dtype or ""),
        unknown_fields=unknown_fields(body),
        notes=tuple(said),
    )
    return situation if cluster is None else _with_cluster(situation, cluster, md, asked_image=arguments.image)


def _with_cluster(situation: Situation, cluster: Cluster, md: ModelDeployment, *, asked_image: str | None) -> Situation:
    """Add what the cluster says; what it does not say is noted."""
    notes = list(situation.notes)
    there = replace(cluster, namespace=md.metadata.namespace)
    live = _attempt(lambda: _live(there, md.metadata.name), notes, "what is there already is not known")
    present = _attempt(lambda: there.surroundings(md.metadata.name), notes, "what else is there is not known")
    reading = _attempt(there.nodes, notes, "where it fits is not known")
    assumed = situation.platform.image
    unknown = f"names are those of the image {assumed.name}, without proxy or certificates; --image gives another"
    platform = _attempt(there.platform, notes, unknown) or situation.platform
    if asked_image:
        platform = replace(platform, image=assumed)
    return replace(situation, live=live, reading=reading, platform=platform, present=present, notes=tuple(notes))


def _live(cluster: Cluster, name: str) -> Evidence | None:
    """Return what is there of the model; None when it is new."""
    try:
        return cluster.evidence(cluster.model(name))
    except MissingError:
        return None


def _attempt(read: Callable[[], _Answer], notes: list[str], what: str) -> _Answer | None:
    """Return what a read gives; when it cannot be had, note what that means and why."""
    try:
        return read()
    except (ClusterError, MissingError) as error:
        notes.append(f"{what}: {error}")
        return None


def _text(file: str, terminal: Terminal) -> str:
    if file == "-":
        return terminal.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _version() -> str:
    try:
        return importlib.metadata.version("nereid")
    except importlib.metadata.PackageNotFoundError:
        return "latest"
