"""For which processors `decode.cpp` is compiled, and how: `python3 -m model_runtime.native.builds` makes the libraries.

The image is built on one processor and runs on another, so each library is for a level of x86-64, and `library` takes
the first that the processor has. On other processors there is none, and the engine's torch path does the work.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
_FLAGS = ("-std=gnu++17", "-O3", "-shared", "-fPIC", "-pthread", "-Wall", "-Wno-uninitialized", "-Wno-psabi", "-Werror")
_LEVEL_3 = frozenset({"avx2", "fma", "f16c", "bmi1", "bmi2", "movbe", "abm"})
_LEVEL_4 = _LEVEL_3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@dataclass(frozen=True, slots=True)
class Build:
    """A library: the compiler's flags, and what of /proc/cpuinfo's flags a processor must have."""

    name: str
    flags: tuple[str, ...]
    needs: frozenset[str]

    @property
    def path(self) -> Path:
        """Where the library is."""
        return FOLDER / f"decode-{self.name}.so"


# The fastest first.
BUILDS = (
    Build("v4bf16", ("-march=x86-64-v4", "-mavx512bf16"), _LEVEL_4 | {"avx512_bf16"}),
    Build("v4", ("-march=x86-64-v4",), _LEVEL_4),
    Build("v3", ("-march=x86-64-v3",), _LEVEL_3),
)


def processor_flags(cpuinfo: str) -> frozenset[str]:
    """Return the features in the text of /proc/cpuinfo; none where it is not an x86 processor's."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    return next((frozenset(value.split()) for name, _, value in lines if name.strip() == "flags"), frozenset())


def best_build(flags: frozenset[str]) -> Build | None:
    """Return the fastest library that a processor with these features can run; None where there is none."""
    return next((build for build in BUILDS if build.needs <= flags), None)


def main(compiler: str = "g++") -> None:
    """Compile every library beside this file, each put in place whole."""
    for build in BUILDS:
        new = build.path.with_suffix(".new")
        command = [compiler, *_FLAGS, *build.flags, "-o", str(new), str(FOLDER / "decode.cpp")]
        subprocess.run(command, check=True)
        new.replace(build.path)


if __name__ == "__main__":
    main()
