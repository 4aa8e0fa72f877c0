"""What the container `triton` of a GPU pod finds before it starts: a GPU, or the reason DeviceMissing."""

import ctypes
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model_runtime import require_gpu
from model_runtime.errors import DeviceMissing

ASKED = "1 nvidia.com/gpu"


@dataclass(frozen=True)
class Driver:
    """A libcuda that answers as told."""

    initialized: int = 0
    counted: int = 0
    devices: int = 1

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's own name
        assert flags == 0
        return self.initialized

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        ctypes.cast(count, ctypes.POINTER(ctypes.c_int)).contents.value = self.devices
        return self.counted


def no_library(name: str) -> Any:
    raise OSError(f"{name}: cannot open shared object file: No such file or directory")


MISSING = {
    "no driver in the container": (no_library, "(libcuda.so.1: cannot open shared object file"),
    "a driver that finds no device": (
        lambda _: Driver(initialized=100),
        "cuInit of libcuda.so.1 gave the CUDA error 100",
    ),
    "a driver that cannot count": (
        lambda _: Driver(counted=3),
        "cuDeviceGetCount of libcuda.so.1 gave the CUDA error 3",
    ),
    "a driver without devices": (lambda _: Driver(devices=0), "libcuda.so.1 is there and sees no device"),
}


@pytest.mark.parametrize(("load", "words"), MISSING.values(), ids=MISSING.keys())
def test_a_missing_device_is_said_with_what_was_asked_for_and_what_was_seen(load: Any, words: str) -> None:
    with pytest.raises(DeviceMissing) as refusal:
        require_gpu.require_gpu(ASKED, load)
    assert str(refusal.value).startswith("The pod asked for 1 nvidia.com/gpu, but ")
    assert words in str(refusal.value)


def test_without_a_gpu_the_container_ends_for_good_and_says_why(tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = [f"--asked={ASKED}", f"--termination-log={log}", "--", "touch", str(tmp_path / "started")]
    assert require_gpu.main(argv, no_library) == 3
    assert json.loads(log.read_text())["reason"] == "DeviceMissing"
    assert not (tmp_path / "started").exists()


def test_with_a_gpu_the_process_becomes_the_server_and_leaves_no_report(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = (
        "import sys; from model_runtime.require_gpu import main; from tests.runtime.test_require_gpu import Driver; "
        "sys.exit(main(sys.argv[1:], lambda name: Driver()))"
    )
    own = [f"--asked={ASKED}", f"--termination-log={log}"]
    command = [sys.executable, "-c", program, *own, "--", "echo", "--", "serving"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "-- serving\n"
    assert not log.exists()


def test_a_command_line_without_a_server_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert require_gpu.main([f"--asked={ASKED}", f"--termination-log={log}"], lambda _: Driver()) == 3
    assert json.loads(log.read_text())["reason"] == "InvalidArgument"
