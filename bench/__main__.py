"""`python -m bench NAME`: runs a benchmark, prints a table and, as the last line, one JSON object."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.control.options import Options
from bench.control.report import as_json, table
from bench.control.run import measure
from bench.errors import BenchError
from tests.cluster import ClusterError


def main(arguments: Sequence[str]) -> int:
    """Run one benchmark and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        results = asyncio.run(measure(_control_options(options)))
    except (BenchError, ClusterError) as failed:
        sys.stderr.write(f"error: {failed}\n")
        return 1
    print(table(results))
    print(as_json(results))
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks of Nereid.")
    names = whole.add_subparsers(dest="name", required=True)
    control = names.add_parser("control", help="the control plane: rate, latency, memory, writes", description=_CONTROL)
    defaults = Options()
    control.add_argument("--sizes", type=_sizes, default=defaults.sizes, help="ModelDeployments, growing: 500,1000")
    control.add_argument("--round-size", type=int, default=defaults.round_size, help="ModelDeployments of each round")
    control.add_argument("--rounds", type=int, default=defaults.rounds, help="rounds of operator and of bare client")
    control.add_argument("--edits", type=int, default=defaults.edits, help="edits, spread over the first size")
    control.add_argument("--edits-per-second", type=float, default=defaults.edits_per_second)
    control.add_argument("--quiet-seconds", type=float, default=defaults.quiet_seconds)
    control.add_argument("--silence-seconds", type=float, default=defaults.silence_seconds)
    control.add_argument("--cluster", default=defaults.cluster, help="name of the cluster that it brings up")
    control.add_argument("--logs", type=Path, default=defaults.logs, help="folder for the operator's logs")
    return whole


_CONTROL = "Brings up a cluster of its own, with nodes that kwok plays, and takes it down at the end."


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(part) for part in text.split(","))
    if list(sizes) != sorted(set(sizes)) or sizes[0] < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: whole numbers from 1 that grow, separated by commas")
    return sizes


def _control_options(options: argparse.Namespace) -> Options:
    values = {name: value for name, value in vars(options).items() if name != "name"}
    return Options(**values)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
