"""`python3 -m model_runtime.require_gpu --asked TEXT -- COMMAND…`: COMMAND, but only where CUDA sees a GPU.

Starts the container `triton` of a pod that should run on a GPU. Without one it ends with the reason DeviceMissing
before anything is loaded: a model that crept onto the CPU would look ready and be slow. Asks the driver itself
(https://docs.nvidia.com/cuda/cuda-driver-api, "Initialization" and "Device Management"), since importing torch takes
seconds; torch is asked when the engine loads.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from model_runtime import termination
from model_runtime.arguments import ArgumentParser
from model_runtime.errors import DeviceMissing, InvalidArgument, ModelRuntimeError

_DRIVER = "libcuda.so.1"


def main(argv: Sequence[str], load: Callable[[str], Any] = ctypes.CDLL) -> int:
    """Become the command, or report why not and return the exit code; `load` opens a shared library."""
    own, command = _split(argv)
    try:
        require_gpu(_asked(own), load)
        _become(command)
    except ModelRuntimeError as error:
        termination.write(termination.failure(error), termination.termination_log(own))
        return error.exit_code


def _become(command: list[str]) -> NoReturn:
    if not command:
        raise InvalidArgument("expected -- and a command to run")
    os.execvp(command[0], command)  # noqa: S606 - the operator's own command line


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what is before the first `--`, and what is behind it."""
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    return words[:end], words[end + 1 :]


def _asked(argv: Sequence[str]) -> str:
    parser = ArgumentParser(prog="model_runtime.require_gpu", allow_abbrev=False)
    parser.add_argument("--asked", required=True, metavar="TEXT")
    termination.add_argument(parser)
    return str(parser.parse_args(argv).asked)


def require_gpu(asked: str, load: Callable[[str], Any]) -> None:
    """Return when the driver sees a GPU; `asked` is what the pod asked the scheduler for, for the message.

    Raises:
        DeviceMissing: no driver, one that cannot start, or no device.

    """
    if obstacle := _obstacle(load):
        raise DeviceMissing(f"The pod asked for {asked}, but there is no GPU to run on: {obstacle}.")


def _obstacle(load: Callable[[str], Any]) -> str:
    """Return why CUDA has no device; empty when it has one."""
    try:
        driver = load(_DRIVER)
    except OSError as error:
        return f"the driver's library is not in the container ({error})"
    count = ctypes.c_int(0)
    if code := driver.cuInit(0):
        return f"cuInit of {_DRIVER} gave the CUDA error {code}"
    if code := driver.cuDeviceGetCount(ctypes.byref(count)):
        return f"cuDeviceGetCount of {_DRIVER} gave the CUDA error {code}"
    return "" if count.value else f"{_DRIVER} is there and sees no device"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
