"""One function for each command that reads the cluster: read, hand it to the pure modules, write the text.

Called by __main__; `plan`, which is of use without a cluster too, is in planning.py.
"""

import argparse
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from socket import socket

from nereid_operator.api.resources import Key
from nereid_operator.cli.chat import Style, converse, partner
from nereid_operator.cli.cluster import Cluster, connect
from nereid_operator.cli.dump import dumped
from nereid_operator.cli.http_stream import Open
from nereid_operator.cli.listing import details, models_table, models_table_with_namespaces
from nereid_operator.cli.live import gateway_dump, live_model, live_models
from nereid_operator.cli.live_listing import live_details, live_table, live_table_with_namespaces
from nereid_operator.cli.terminal import Terminal
from nereid_operator.cli.why import explain
from nereid_operator.render.ports import FRONTEND_PORT

_NONE_AT_ALL = "No ModelDeployment in any namespace."


def why(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Say why a model is not ready."""
    cluster = connected(arguments)
    terminal.say(explain(cluster.evidence(cluster.model(arguments.name)), now=terminal.now))
    return 0


def status(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show the models of a namespace or of all, or one in detail."""
    cluster = connected(arguments)
    shown = _shown_live if arguments.live else _shown
    terminal.say(shown(arguments, cluster, terminal.now))
    return 0


def _shown(arguments: argparse.Namespace, cluster: Cluster, now: datetime) -> str:
    """Return what status says."""
    if arguments.name:
        return details(cluster.model(arguments.name), now=now)
    if arguments.all_namespaces:
        models = cluster.models_of_all_namespaces()
        return models_table_with_namespaces(models) if models else _NONE_AT_ALL
    models = cluster.models()
    return models_table(models) if models else f"No ModelDeployment in namespace {cluster.namespace}."


def _shown_live(arguments: argparse.Namespace, cluster: Cluster, now: datetime) -> str:
    """Return what the operator that leads knows."""
    open_connection = _to_leader(cluster)
    if arguments.name:
        return live_details(live_model(open_connection, Key(cluster.namespace, arguments.name)), now=now)
    models = live_models(open_connection)
    if arguments.all_namespaces:
        return live_table_with_namespaces(models, now=now) if models else _NONE_AT_ALL
    models = tuple(model for model in models if model.namespace == cluster.namespace)
    return live_table(models, now=now) if models else f"No ModelDeployment in namespace {cluster.namespace}."


def _to_leader(cluster: Cluster) -> Open:
    """Return what opens connections to the live API of the operator that leads."""
    leader = cluster.leader()
    around = replace(cluster, namespace=leader.namespace)

    def open_connection() -> AbstractContextManager[socket]:
        return around.stream(leader.pod, leader.port)

    return open_connection


def gateway(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Say how clients reach a model through the gateway."""
    cluster = connected(arguments)
    namespace, _, name = arguments.name.rpartition("/")
    terminal.say(dumped(gateway_dump(_to_leader(cluster), Key(namespace or cluster.namespace, name))))
    return 0


def chat(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Talk to a model: one message, or the lines of standard input."""
    cluster = connected(arguments)
    other = partner(cluster.evidence(cluster.model(arguments.name)))

    def open_connection() -> AbstractContextManager[socket]:
        return cluster.stream(other.pod, FRONTEND_PORT)

    lines = terminal.lines() if arguments.message is None else [arguments.message]
    style = Style(system=arguments.system, max_tokens=arguments.max_tokens)
    converse(open_connection, other.served_name, lines, terminal.stdout, style=style)
    return 0


def connected(arguments: argparse.Namespace) -> Cluster:
    """Return the cluster that the command line names."""
    return connect(kubeconfig=arguments.kubeconfig, context=arguments.context, namespace=arguments.namespace)
