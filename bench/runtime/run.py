"""The benchmark of the engine, step by step. Comes in: Options. Goes out: Results."""

import tempfile
from pathlib import Path

from bench.runtime.calls import cores
from bench.runtime.options import Options
from bench.runtime.races import race_embeddings, race_generation
from bench.runtime.results import Results
from bench.runtime.serving import measure_serving


def measure(options: Options) -> Results:
    """Run the benchmark.

    Raises:
        BenchError: something did not start, or did not answer as it should.

    """
    with tempfile.TemporaryDirectory(prefix="nereid-bench-", dir=options.folder) as temporary:
        folder = Path(temporary)
        return Results(
            threads=cores(),
            generation=race_generation(options, folder),
            embeddings=race_embeddings(options, folder),
            serving=measure_serving(options, folder),
        )
