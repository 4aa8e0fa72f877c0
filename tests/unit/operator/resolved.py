"""A model as the resolve Job reports it; the names of revisions that tests know by heart are over this one."""

from nereid_operator.api.model_status import ResolvedModel

RESOLVED = ResolvedModel.model_validate(
    {
        "inputHash": "0",
        "revision": "r",
        "digest": f"sha256:{'a' * 64}",
        "bytes": 91_000_000,
        "task": "Embedding",
        "dtype": "F32",
    }
)
