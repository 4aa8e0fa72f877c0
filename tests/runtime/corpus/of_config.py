"""Repositories whose config.json has values that no model can have."""

from collections.abc import Mapping

from model_runtime.errors import InvalidConfig, UnsupportedArchitecture
from tests.runtime.corpus.building import with_config
from tests.runtime.corpus.rows import Bad

ABSURD: Mapping[str, tuple[object, ...]] = {
    "hidden_size": (10**12, 0, -8, True, 8.0, "8", None, [8]),
    "num_hidden_layers": (10**9, 0, 1.5),
    "num_attention_heads": (0, 10**6, 3),
    "num_key_value_heads": (0, -1),
    "intermediate_size": (10**15, False),
    "vocab_size": (10**10, 0),
    "max_position_embeddings": (10**12, 0),
    "head_dim": (0, 3, 10**6),
    "rms_norm_eps": (0.0, -1e-5, 1e30, 1),
    "rope_theta": (0, -10000.0, 1e300, True, "10000"),
    "rope_scaling": ({"rope_type": "linear", "factor": 1e30}, {"rope_type": "linear", "factor": -1}, "linear"),
    "tie_word_embeddings": ("false", 1),
}

BAD = [
    *(
        Bad(f"{name} of {value!r}", with_config(**{name: value}), InvalidConfig, "config.json: ")
        for name, values in ABSURD.items()
        for value in values
    ),
    Bad("an unknown family", with_config(architectures=["X" * 10_000]), UnsupportedArchitecture, "supported are"),
]
