"""One function for each command that reads the cluster: read, hand it to the pure modules, write the text.

Called by __main__; `plan`, which is of use without a cluster too, is in planning.py.
"""

import argparse
from contextlib import AbstractContextManager
from socket import socket

from nereid_operator.cli.chat import Style, converse, partner
from nereid_operator.cli.cluster import Cluster, connect
from nereid_operator.cli.listing import details, models_table, models_table_with_namespaces
from nereid_operator.cli.terminal import Terminal
from nereid_operator.cli.why import explain
from nereid_operator.render.workload import FRONTEND_PORT


def why(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Say why a model is not ready."""
    cluster = connected(arguments)
    terminal.say(explain(cluster.evidence(cluster.model(arguments.name)), now=terminal.now))
    return 0


def status(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show the models of a namespace or of all, or one in detail."""
    cluster = connected(arguments)
    if arguments.name:
        terminal.say(details(cluster.model(arguments.name), now=terminal.now))
        return 0
    if arguments.all_namespaces:
        models = cluster.models_of_all_namespaces()
        terminal.say(models_table_with_namespaces(models) if models else "No ModelDeployment in any namespace.")
        return 0
    models = cluster.models()
    terminal.say(models_table(models) if models else f"No ModelDeployment in namespace {cluster.namespace}.")
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
