"""`python -m bench NAME`: runs a benchmark, prints a table and, as the last line, one JSON object."""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bench.fetch.results as fetch_results
import bench.gateway.results as gateway_results
import bench.runtime.results as runtime_results
from bench.control.options import Options
from bench.control.report import as_json, table
from bench.control.run import measure
from bench.errors import BenchError
from bench.fetch.options import Options as FetchOptions
from bench.fetch.run import measure as measure_fetch
from bench.gateway.options import Options as GatewayOptions
from bench.gateway.run import measure as measure_gateway
from bench.runtime.options import LlamaCpp
from bench.runtime.options import Options as RuntimeOptions
from bench.runtime.run import measure as measure_runtime
from tests.cluster import ClusterError


def main(arguments: Sequence[str]) -> int:
    """Run one benchmark and return the exit code."""
    options = parser().parse_args(arguments)
    values = {name: value for name, value in vars(options).items() if name not in {"name", "run"}}
    try:
        lines = options.run(values)
    except (BenchError, ClusterError) as failed:
        sys.stderr.write(f"error: {failed}\n")
        return 1
    print("\n".join(lines))
    return 0


def _control(values: Mapping[str, Any]) -> tuple[str, str]:
    results = asyncio.run(measure(Options(**values)))
    return table(results), as_json(results)


def _fetch(values: Mapping[str, Any]) -> tuple[str, str]:
    results = measure_fetch(FetchOptions(**values))
    return fetch_results.table(results), fetch_results.as_json(results)


def _gateway(values: Mapping[str, Any]) -> tuple[str, str]:
    results = asyncio.run(measure_gateway(GatewayOptions(**values)))
    return gateway_results.table(results), gateway_results.as_json(results)


def _runtime(values: Mapping[str, Any]) -> tuple[str, str]:
    results = measure_runtime(RuntimeOptions(**values))
    return runtime_results.table(results), runtime_results.as_json(results)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks of Nereid.")
    names = whole.add_subparsers(dest="name", required=True)
    _add_control(names)
    _add_fetch(names)
    _add_gateway(names)
    _add_runtime(names)
    return whole


def _add_control(names: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    control.set_defaults(run=_control)


def _add_fetch(names: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fetch = names.add_parser("fetch", help="the download of a large file, beside curl", description=_FETCH)
    defaults = FetchOptions()
    fetch.add_argument("--size", type=int, default=defaults.size, help="MiB of the file")
    fetch.add_argument("--memory-sizes", type=_sizes, default=defaults.memory_sizes, help="MiB, for the peak of memory")
    fetch.add_argument("--limited-size", type=int, default=defaults.limited_size, help="MiB, from the limited server")
    fetch.add_argument("--limit", type=int, default=defaults.limit, help="MiB a second for each connection to it")
    fetch.add_argument("--rounds", type=int, default=defaults.rounds, help="downloads of each kind, in turn")
    fetch.add_argument("--folder", type=Path, default=defaults.folder, help="a folder on the disk to measure")
    fetch.set_defaults(run=_fetch)


def _add_gateway(names: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    gateway = names.add_parser("gateway", help="the front door, beside a bare Envoy", description=_GATEWAY)
    defaults = GatewayOptions()
    gateway.add_argument("--models", type=_count, default=defaults.models, help="that are there while others change")
    gateway.add_argument("--many-models", type=_count, default=defaults.many_models, help="for the second throughput")
    gateway.add_argument("--rounds", type=_count, default=defaults.rounds, help="of each side, in turn")
    gateway.add_argument("--seconds", type=_count, default=defaults.seconds, help="of each round")
    gateway.add_argument("--connections", type=_count, default=defaults.connections, help="for saturation")
    gateway.add_argument("--edits", type=_count, default=defaults.edits, help="models added, and replicas moved")
    gateway.add_argument("--folder", type=Path, default=defaults.folder, help="a folder for logs, which are removed")
    gateway.set_defaults(run=_gateway)


def _add_runtime(names: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    runtime = names.add_parser("runtime", help="the engine, beside transformers and llama.cpp", description=_RUNTIME)
    defaults = RuntimeOptions()
    runtime.add_argument("--rounds", type=_count, default=defaults.rounds, help="of each side, in turn")
    runtime.add_argument("--tokens", type=_count, default=defaults.tokens, help="new tokens of each generation")
    runtime.add_argument("--passes", type=_count, default=defaults.passes, help="over the sentences, in each round")
    runtime.add_argument("--cold-starts", type=_count, default=defaults.cold_starts, help="of a replica")
    runtime.add_argument("--requests", type=_count, default=defaults.requests, help="for the time to the first token")
    runtime.add_argument("--pairs", type=_count, default=defaults.pairs, help="of requests, for Triton's overhead")
    runtime.add_argument("--llamacpp", type=LlamaCpp, choices=list(LlamaCpp), default=defaults.llamacpp)
    runtime.add_argument("--folder", type=Path, default=defaults.folder, help="a folder with room for a GiB")
    runtime.set_defaults(run=_runtime)


_CONTROL = "Brings up a cluster of its own, with nodes that kwok plays, and takes it down at the end."
_FETCH = "Needs curl, and room for the largest file twice."
_GATEWAY = "Wants port 8080 of loopback, and h2load, which it installs on Debian; takes some ten minutes."
_RUNTIME = "Compiles llama.cpp the first time, some fifteen minutes; then it takes about ten."


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 1")
    return count


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(part) for part in text.split(","))
    if list(sizes) != sorted(set(sizes)) or sizes[0] < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: whole numbers from 1 that grow, separated by commas")
    return sizes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
