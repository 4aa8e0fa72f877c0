"""What config.json says of a BERT-like encoder: its sizes, the tensors that follow from them, and what is refused.

Without torch, so that `model_runtime.loadable` refuses before a replica starts what `bert.load` would refuse in it.
"""

from dataclasses import dataclass

from model_runtime.engines.config import Config, field, require
from model_runtime.engines.errors import InvalidConfigError


@dataclass(frozen=True, slots=True)
class BertConfig:
    """The sizes of a BERT-like encoder."""

    vocabulary: int
    hidden: int
    feed_forward: int
    layers: int
    heads: int
    positions: int
    token_types: int
    norm_eps: float


def read_config(config: Config) -> BertConfig:
    """Return the sizes in config.json; UnsupportedModelError for a setting this file has no code for."""
    require(config, "hidden_act", ("gelu",))
    require(config, "position_embedding_type", ("absolute",))
    require(config, "is_decoder", (False,))
    heads, hidden = field(config, "num_attention_heads", int), field(config, "hidden_size", int)
    if hidden % heads:
        raise InvalidConfigError(f"config.json: num_attention_heads is {heads}; expected a divisor of {hidden}")
    return BertConfig(
        vocabulary=field(config, "vocab_size", int),
        hidden=hidden,
        feed_forward=field(config, "intermediate_size", int),
        layers=field(config, "num_hidden_layers", int),
        heads=heads,
        positions=field(config, "max_position_embeddings", int),
        token_types=field(config, "type_vocab_size", int),
        norm_eps=field(config, "layer_norm_eps", float),
    )


def expected_shapes(config: BertConfig) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a folder in Hugging Face's names, with their shapes."""
    hidden, wide = config.hidden, config.feed_forward
    layer: dict[str, tuple[int, ...]] = {}
    for name, outputs, inputs in (
        ("attention.self.query", hidden, hidden),
        ("attention.self.key", hidden, hidden),
        ("attention.self.value", hidden, hidden),
        ("attention.output.dense", hidden, hidden),
        ("intermediate.dense", wide, hidden),
        ("output.dense", hidden, wide),
    ):
        layer |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
    for name in ("attention.output.LayerNorm", "output.LayerNorm"):
        layer |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
    return {
        "embeddings.word_embeddings.weight": (config.vocabulary, hidden),
        "embeddings.position_embeddings.weight": (config.positions, hidden),
        "embeddings.token_type_embeddings.weight": (config.token_types, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    } | {f"encoder.layer.{index}.{name}": shape for index in range(config.layers) for name, shape in layer.items()}


# A buffer, and the head of the pre-training task, which an embedding does not use.
IGNORED = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
