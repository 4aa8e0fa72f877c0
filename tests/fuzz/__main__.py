"""`python -m tests.fuzz TARGET FOLDER --runs N --seed N`: fuzz one parser with atheris, in a process of its own.

Ends with 0 after so many runs; an input that breaks the target is printed in base64, with the traceback, and ends it
with another code. What libFuzzer writes is in FOLDER: seeds, new inputs and the one that broke. atheris ends the
process without a farewell, so nothing comes after `Fuzz`.
"""

import argparse
import resource
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["model_runtime"], enable_loader_override=False):
    from tests.fuzz.targets import TARGETS, Target

_MAX_BYTES = 4096
# No parser of a header may take longer for so few bytes, on any machine, nor this much memory.
_MAX_SECONDS = 20
_MAX_MIB = 2048


def main(argv: list[str]) -> None:
    """Parse the arguments and fuzz."""
    parser = argparse.ArgumentParser(prog="tests.fuzz")
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    target = TARGETS[arguments.target]
    inputs, words = _write(arguments.folder, target)
    # Not left to libFuzzer: what it holds to its limit is getrusage's peak, inherited from whoever started this.
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_MIB << 20, _MAX_MIB << 20))
    flags = [
        f"-runs={arguments.runs}",
        f"-seed={arguments.seed}",
        f"-max_len={_MAX_BYTES}",
        f"-timeout={_MAX_SECONDS}",
        "-rss_limit_mb=0",
        f"-artifact_prefix={arguments.folder}/",
        f"-dict={words}",
        "-print_final_stats=1",
    ]
    atheris.Setup(["tests.fuzz", *flags, str(inputs)], target.run)
    atheris.Fuzz()


def _write(folder: Path, target: Target) -> tuple[Path, Path]:
    """Write the seeds and the dictionary in libFuzzer's form."""
    inputs, words = folder / "inputs", folder / "words"
    inputs.mkdir(parents=True)
    for number, seed in enumerate(target.seeds):
        (inputs / f"seed-{number}").write_bytes(seed)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    return inputs, words


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02X}" for byte in word)


if __name__ == "__main__":
    main(sys.argv[1:])
