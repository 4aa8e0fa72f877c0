"""The names that families of BERT-like encoders give to their sizes, tensors and heads: a table for each. Pure.

Read by `bert_config`, `classifier_config` and the modules that load.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LAYER_NORMS = frozenset({"output_norm", "down_norm"})


@dataclass(frozen=True, slots=True)
class HeadNames:
    """A head of two layers over the first token's vector: the tensors' names, and what comes between ("tanh")."""

    first: str
    between: str
    last: str


@dataclass(frozen=True, slots=True)
class Names:
    """One family. `parts` are the tensors of a layer by what they do; the sizes are fields of config.json."""

    prefix: str  # of the encoder's tensors beside a head
    layer: str
    parts: Mapping[str, str]
    head: HeadNames
    hidden: str = "hidden_size"
    feed_forward: str = "intermediate_size"
    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    activation: str = "hidden_act"
    token_types: bool = True
    counts_from_padding: bool = False  # positions begin after the number of the padding token
    norm_eps: float | None = None  # None: config.json says it


BERT = Names(
    prefix="bert.",
    layer="encoder.layer",
    parts={
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "output": "attention.output.dense",
        "output_norm": "attention.output.LayerNorm",
        "intermediate": "intermediate.dense",
        "down": "output.dense",
        "down_norm": "output.LayerNorm",
    },
    head=HeadNames("bert.pooler.dense", "tanh", "classifier"),
)
ROBERTA = Names(
    prefix="roberta.",
    layer=BERT.layer,
    parts=BERT.parts,
    head=HeadNames("classifier.dense", "tanh", "classifier.out_proj"),
    counts_from_padding=True,
)
DISTILBERT = Names(
    prefix="distilbert.",
    layer="transformer.layer",
    parts={
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "output": "attention.out_lin",
        "output_norm": "sa_layer_norm",
        "intermediate": "ffn.lin1",
        "down": "ffn.lin2",
        "down_norm": "output_layer_norm",
    },
    head=HeadNames("pre_classifier", "relu", "classifier"),
    hidden="dim",
    feed_forward="hidden_dim",
    layers="n_layers",
    heads="n_heads",
    activation="activation",
    token_types=False,
    norm_eps=1e-12,
)
