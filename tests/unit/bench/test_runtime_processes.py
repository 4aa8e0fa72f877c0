"""The processes of the benchmark of the engine: how they are talked to, and what is said when one is not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.runtime import llamacpp
from bench.runtime.calls import REPOSITORY, side
from bench.runtime.options import LlamaCpp
from bench.runtime.replica import tree

_ADDS = """
from bench.runtime.calls import answer_calls

def add(one, other):
    print("a word of a library")
    return one + other

answer_calls({"add": add})
"""


def test_each_call_gets_one_line_whatever_libraries_print() -> None:
    calls = [{"name": "add", "values": {"one": 1, "other": 2}}, {"name": "add", "values": {"one": [], "other": [3]}}]
    done = subprocess.run(
        [sys.executable, "-c", _ADDS],
        input="".join(f"{json.dumps(call)}\n" for call in calls),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "3\n[3]\n"
    assert done.stderr == "a word of a library\n" * 2


def test_a_process_that_ended_is_named_with_its_last_words(tmp_path: Path) -> None:
    with (
        side("embedding_ours", [tmp_path / "nothing"], tmp_path) as started,
        pytest.raises(BenchError, match=r"embedding_ours did not answer the call 'embed'(.|\n)*nothing/config.json"),
    ):
        started.call("embed", texts=["one"], batch=1, dtype="Float32")


def test_llamacpp_that_is_not_built_and_is_not_to_be_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BenchError, match="--llamacpp build"):
        llamacpp.python(LlamaCpp.IF_BUILT)
    assert not list(tmp_path.iterdir())


def test_the_memory_of_a_process_is_that_of_its_children_too() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert {os.getpid(), child.pid} <= set(tree(os.getpid()))
