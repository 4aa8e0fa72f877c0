"""What config.json says of a Llama-like decoder: its sizes, the tensors that follow from them, and what is refused.

Without torch, so that `model_runtime.loadable` refuses before a replica starts what `llama.load` would refuse in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model_runtime.engines.config import Config, field, flag, number, require
from model_runtime.engines.errors import InvalidConfigError, UnsupportedModelError


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """The sizes of a Llama-like decoder."""

    vocabulary: int
    hidden: int
    feed_forward: int
    layers: int
    query_heads: int
    kv_heads: int
    head_size: int
    context: int  # tokens
    rope_theta: float
    norm_eps: float
    tied: bool


def read_config(config: Config) -> LlamaConfig:
    """Return the sizes in config.json; UnsupportedModelError for a setting this file has no code for."""
    require(config, "hidden_act", ("silu",))
    require(config, "attention_bias", (False,))
    require(config, "mlp_bias", (False,))
    require(config, "sliding_window", (None,))
    require(config, "quantization_config", (None,))
    heads = field(config, "num_attention_heads", int)
    hidden = field(config, "hidden_size", int)
    kv_heads, head_size = _optional(config, "num_key_value_heads", heads), _head_size(config, hidden, heads)
    if heads % kv_heads:
        raise InvalidConfigError(f"config.json: num_key_value_heads is {kv_heads}; expected a divisor of {heads}")
    if head_size % 2 or head_size == 0:
        raise InvalidConfigError(f"config.json: head_dim is {head_size}; expected an even number: positions turn pairs")
    return LlamaConfig(
        vocabulary=field(config, "vocab_size", int),
        hidden=hidden,
        feed_forward=field(config, "intermediate_size", int),
        layers=field(config, "num_hidden_layers", int),
        query_heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        context=field(config, "max_position_embeddings", int),
        rope_theta=_rope_theta(config),
        norm_eps=field(config, "rms_norm_eps", float),
        tied=flag(config, "tie_word_embeddings"),
    )


def _optional(config: Config, name: str, default: int) -> int:
    """Return a size that the folder may leave out or null."""
    return default if config.get(name) is None else int(field(config, name, int))


def _head_size(config: Config, hidden: int, heads: int) -> int:
    """Return `head_dim`; without it the heads share the hidden size evenly."""
    if config.get("head_dim") is None and hidden % heads:
        raise InvalidConfigError(f"config.json: num_attention_heads is {heads}; expected a divisor of {hidden}")
    return _optional(config, "head_dim", hidden // heads)


def _rope_theta(config: Config) -> float:
    """Both spellings in use: `rope_theta` with `rope_scaling`, and since transformers 5 `rope_parameters`."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        raise InvalidConfigError(f"config.json: rope parameters are {rope!r:.80}; expected an object")
    number(rope, "factor", 1.0)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise UnsupportedModelError(f"config.json: rope type is {kind!r:.80}; supported: 'default'")
    return number(rope, "rope_theta", number(config, "rope_theta", 10_000.0))


def expected_shapes(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a folder in Hugging Face's names, with their shapes."""
    hidden, wide = config.hidden, config.feed_forward
    queries, keys = config.query_heads * config.head_size, config.kv_heads * config.head_size
    layer = {
        "input_layernorm": (hidden,),
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "post_attention_layernorm": (hidden,),
        "mlp.gate_proj": (wide, hidden),
        "mlp.up_proj": (wide, hidden),
        "mlp.down_proj": (hidden, wide),
    }
    shapes: dict[str, tuple[int, ...]] = {
        f"model.layers.{index}.{name}.weight": shape for index in range(config.layers) for name, shape in layer.items()
    }
    shapes |= {"model.embed_tokens.weight": (config.vocabulary, hidden), "model.norm.weight": (hidden,)}
    return shapes if config.tied else shapes | {"lm_head.weight": (config.vocabulary, hidden)}


def ignored_tensors(config: LlamaConfig) -> tuple[str, ...]:
    """Return tensors that a folder may carry besides: the copy of tied embeddings, and a buffer of older libraries."""
    buffers = (f"model.layers.{index}.self_attn.rotary_emb.inv_freq" for index in range(config.layers))
    return (*buffers, "lm_head.weight") if config.tied else tuple(buffers)
