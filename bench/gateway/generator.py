"""h2load, Debian's `nghttp2-client`: requests for a time, as fast as they are answered or at a rate.

It writes a line for each request, from which latencies and statuses are read. A cell says how busy the machine was:
when that is more than `MOST_CPU`, what was measured may be the generator.
"""

import os
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.figures import percentile
from tests.cluster.packages import ensure_packages

MOST_CPU = 0.8
_WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, a POST of a JSON body, and the process that takes it."""

    url: str
    body: Path
    pid: int


@dataclass(frozen=True, slots=True)
class Used:
    """CPU during a run: shares of all cores of the machine and of the generator, and seconds of who was asked."""

    cpu: float
    generator_cpu: float
    server_seconds: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One run. CPU are shares of all cores: of the machine, and of the generator within it.

    `server_cpu_us` is what one request took of the process that was asked, in µs of CPU.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    statuses: Mapping[int, int]
    cpu: float
    generator_cpu: float
    server_cpu_us: float

    @property
    def is_void(self) -> bool:
        """Whether the machine was too busy for the figures to be those of what was asked."""
        return self.cpu > MOST_CPU


def prepare() -> None:
    """Install h2load where it is missing."""
    ensure_packages({"h2load": "nghttp2-client"})


def saturate(request: Request, seconds: int, connections: int, folder: Path) -> Cell:
    """Send the next request on each connection as soon as the one before is answered.

    Raises:
        BenchError: h2load failed, or a request was not answered with 200.

    """
    cell = _run(request, seconds, connections, None, folder)
    if set(cell.statuses) != {200}:
        raise BenchError(f"{request.url} answered {dict(cell.statuses)}; all should be 200")
    return cell


def at_rate(request: Request, seconds: int, connections: int, per_second: float, folder: Path) -> Cell:
    """Send so many requests a second, spread over the connections; the answers may be of any status."""
    return _run(request, seconds, connections, per_second / connections, folder)


def _run(request: Request, seconds: int, connections: int, each_per_second: float | None, folder: Path) -> Cell:
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    rate = [] if each_per_second is None else [f"--rps={each_per_second:.3f}"]
    command = ["h2load", "--h1", f"--duration={seconds}", f"--warm-up-time={_WARM_UP_SECONDS}", *rate]
    command += [f"--clients={connections}", "--threads=1", f"--data={request.body}", f"--log-file={log}"]
    with _measured(request.pid) as used:
        done = subprocess.run(
            [*command, "--header=content-type: application/json", request.url],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or not log.exists():
        raise BenchError(f"h2load ended with {done.returncode}: {done.stderr.strip()}")
    return read(log.read_text(), seconds, used[0])


def read(log: str, seconds: int, used: Used) -> Cell:
    """Return what h2load's lines say: begin in µs, status, and µs until the answer was there, separated by tabs."""
    rows = [line.split("\t") for line in log.splitlines()]
    if not rows:
        raise BenchError("h2load counted no request")
    milliseconds = [int(row[2]) / 1000 for row in rows]
    return Cell(
        per_second=len(rows) / seconds,
        p50_ms=percentile(milliseconds, 50),
        p99_ms=percentile(milliseconds, 99),
        statuses=Counter(int(row[1]) for row in rows),
        cpu=used.cpu,
        generator_cpu=used.generator_cpu,
        # It served while the generator warmed up, too.
        server_cpu_us=used.server_seconds * 1e6 / len(rows) * seconds / (seconds + _WARM_UP_SECONDS),
    )


@contextmanager
def _measured(pid: int) -> Iterator[list[Used]]:
    """Give a list that holds, after the block, what was used during it."""
    cores, result = os.cpu_count() or 1, list[Used]()
    begin, busy, children, server = time.monotonic(), _busy_seconds(), _children_seconds(), _cpu_seconds(pid)
    yield result
    passed = (time.monotonic() - begin) * cores
    cpu, generator_cpu = (_busy_seconds() - busy) / passed, (_children_seconds() - children) / passed
    result.append(Used(cpu, generator_cpu, _cpu_seconds(pid) - server))


def _cpu_seconds(pid: int) -> float:
    """Return the seconds of CPU that a process has had: the 14th and 15th field, of which the 2nd may hold blanks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy_seconds() -> float:
    """Return the seconds of all cores that were not idle, since the machine started."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
