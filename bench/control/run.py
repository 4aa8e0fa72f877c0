"""The measurements of the control plane, in order. Comes in: Options. Goes out: Results for report.py.

rounds    operator and bare client in turn, each with ModelDeployments of its own    times_bare_client
idle      an operator with nothing to do                                             idle_mib
growth    for each size, an operator that finds new ModelDeployments                 crs_per_second, kib_per_cr
          after the first size: edits, then nothing to do                            edit_to_child, quiet_writes
          a new operator over what is there                                          restart_writes
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

from bench.control.growth import first_size, idle_kib, next_size
from bench.control.load import client
from bench.control.options import Options
from bench.control.results import Results
from bench.control.rounds import play
from bench.control.scene import Scene
from bench.control.stand import standing


async def measure(options: Options) -> Results:
    """Measure everything, on two clusters one after the other, so that the rounds leave nothing behind."""
    async with _scene(options) as scene:
        rounds = await play(scene)
    async with _scene(options) as scene:
        idle = await idle_kib(scene)
        first, edits, quiet = await first_size(scene, options.sizes[0])
        others = [await next_size(scene, size, before=before) for before, size in pairwise(options.sizes)]
    return Results(rounds, idle, (first, *others), edits, quiet)


@asynccontextmanager
async def _scene(options: Options) -> AsyncIterator[Scene]:
    async with standing(options.cluster) as stand, client(stand.administrator) as users:
        yield Scene(options, stand, users)
