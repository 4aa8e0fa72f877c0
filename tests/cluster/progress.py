"""What is being done, how far it is, and how long it will take.

Estimates come from the durations of earlier runs on this machine, kept in the cache directory, else from figures
measured on two cores. Called by everything slow: the build of the binaries, the images, the start of the cluster.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.binaries import cache_folder

# Seconds on two cores with an empty build cache.
SHIPPED_SECONDS: Mapping[str, float] = {
    "kube-apiserver": 208,
    "kube-controller-manager": 25,
    "kube-proxy": 6,
    "kube-scheduler": 5,
    "kubelet": 52,
    "coredns": 96,
    "kwok": 71,
    "local-path-provisioner": 63,
    "registry": 88,
    "versitygw": 49,
    "debian base image": 20,
    "nereid.dev/operator": 30,
    "nereid.dev/model-runtime": 150,
}
_UNKNOWN_SECONDS = 60.0


def estimate(names: Sequence[str], recorded: Mapping[str, float]) -> float:
    """Return the seconds that the named steps will take together (pure)."""
    return sum(recorded.get(name, SHIPPED_SECONDS.get(name, _UNKNOWN_SECONDS)) for name in names)


def spoken(seconds: float) -> str:
    """Return a duration for people: `8 s`, `3 min 20 s` (pure)."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(slots=True)
class Progress:
    """A list of named steps, run one after the other."""

    title: str
    names: Sequence[str]
    store: Path = field(default_factory=lambda: cache_folder() / "cluster" / "durations.json")
    done: int = 0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce the next step, and record how long it took once it succeeded."""
        recorded = read_durations(self.store)
        left = self.names[self.done :]
        own = spoken(estimate([name], recorded))
        whole = spoken(estimate(left, recorded))
        say(f"[{self.done + 1}/{len(self.names)}] {self.title}: {name}, about {own} of {whole} left")
        start = time.monotonic()
        yield
        took = time.monotonic() - start
        say(f"      {name}: {spoken(took)}")
        write_durations(self.store, {**read_durations(self.store), name: round(took, 1)})
        self.done += 1


def read_durations(store: Path) -> dict[str, float]:
    """Return the recorded seconds by step; none where the file is missing or was cut."""
    try:
        return {str(name): float(seconds) for name, seconds in json.loads(store.read_text()).items()}
    except (OSError, ValueError):
        return {}


def write_durations(store: Path, durations: Mapping[str, float]) -> None:
    """Write the seconds by step; a run that is cut leaves the old file."""
    store.parent.mkdir(parents=True, exist_ok=True)
    fresh = store.with_suffix(".new")
    fresh.write_text(json.dumps(durations, indent=1, sort_keys=True))
    fresh.rename(store)
