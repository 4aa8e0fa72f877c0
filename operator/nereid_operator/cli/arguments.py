"""The command line: argparse and nothing else. Arguments → a namespace; a wrong one is one line and exit code 2."""

import argparse
from typing import NoReturn

from nereid_operator.amounts import amount
from nereid_operator.cli.errors import UsageError

DTYPES = ("F64", "F32", "F16", "BF16", "I8", "U8", "F8_E4M3", "F8_E5M2")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parse(argv: list[str], *, prog: str) -> argparse.Namespace:
    """Return the arguments; UsageError when they cannot be used. --help prints and ends the process, as ever."""
    parser = _Parser(prog=prog, description="Models on Nereid: why they wait, how they are, what would be, and a chat.")
    connection = _connection()
    _add_connection(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    why = commands.add_parser("why", parents=[connection], help="why a model is not ready, and what to do")
    why.add_argument("name", metavar="NAME", help="a ModelDeployment")
    status = commands.add_parser("status", parents=[connection], help="a table of models, or one in detail")
    status.add_argument("name", metavar="NAME", nargs="?", help="a ModelDeployment; all of them when left out")
    status.add_argument("-A", "--all-namespaces", action="store_true", help="models of every namespace")
    status.add_argument("--live", action="store_true", help="what the operator knows now: queue, fetches, pods")
    _add_plan(commands.add_parser("plan", parents=[connection], help="what a manifest would create; applies nothing"))
    gateway = commands.add_parser("gateway", parents=[connection], help="what the gateway does")
    _add_gateway(gateway.add_subparsers(dest="topic", required=True, metavar="TOPIC", parser_class=_Parser), connection)
    _add_chat(commands.add_parser("chat", parents=[connection], help="talk to a model for chat"))
    arguments = parser.parse_args(argv)
    _check(arguments)
    return arguments


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--filename", metavar="FILE", required=True, help="a manifest; - is standard input")
    parser.add_argument(
        "--bytes", metavar="SIZE", type=_size, help="plan for a model of this size, such as 500M or 2Gi"
    )
    parser.add_argument("--dtype", choices=DTYPES, help="data type of its weights; only with --bytes")
    parser.add_argument("--image", help="model-runtime image; default: the one the cluster's operator uses")


def _add_gateway(topics: "argparse._SubParsersAction[_Parser]", connection: _Parser) -> None:
    dump = topics.add_parser("dump", parents=[connection], help="how clients reach a model: names, revisions, replicas")
    dump.add_argument("name", metavar="[NAMESPACE/]NAME", help="a ModelDeployment")


def _add_chat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a ModelDeployment whose task is Chat")
    parser.add_argument("--message", metavar="TEXT", help="ask this alone, instead of reading lines of standard input")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told before the conversation")
    parser.add_argument("--max-tokens", metavar="N", type=_tokens, help="longest answer, in tokens")


def _connection() -> _Parser:
    parser = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    _add_connection(parser)
    return parser


def _add_connection(parser: argparse.ArgumentParser) -> None:
    """Add kubectl's own arguments; they are taken before and after the command."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="path of the kubeconfig")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument("-n", "--namespace", metavar="NAME", help="namespace; default: that of the context")


def _check(arguments: argparse.Namespace) -> None:
    if arguments.command == "plan" and arguments.dtype and arguments.bytes is None:
        raise UsageError("--dtype is only for --bytes: the memory follows from both")
    if arguments.command == "status" and arguments.all_namespaces and arguments.name:
        raise UsageError("a NAME is in one namespace: leave out -A, or NAME")


def _size(text: str) -> int:
    try:
        return int(amount(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write for example 500M or 2Gi") from error


def _tokens(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number above 0")
    return int(text)
