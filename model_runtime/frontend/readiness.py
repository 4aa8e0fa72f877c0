"""Why a replica is not ready, as one line of text; pure.

Asked by `app` for /readyz, which `triton_client` tells what is loaded.
"""

from dataclasses import dataclass

# How many requests are being answered, in every answer of /readyz; `model_runtime.drain` waits for 0.
IN_FLIGHT_HEADER = "x-nereid-in-flight"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What Triton has loaded; `digest` is that of the manifest `prepare` verified, None where nothing says it."""

    digest: str | None


def why_not_ready(loaded: LoadedModel | None, wanted_digest: str | None) -> str | None:
    """Return what is wrong with what Triton has loaded, None if nothing; without a wanted digest any will do."""
    if loaded is None:
        return "triton has not loaded the model"
    if wanted_digest is None or loaded.digest == wanted_digest:
        return None
    return f"triton has loaded {loaded.digest or 'a model without a digest'}; this pod should serve {wanted_digest}"
