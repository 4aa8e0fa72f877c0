"""What config.json says of a Llama-like decoder: its sizes, the tensors that follow from them, and what is refused.

Without torch, so that `model_runtime.loadable` refuses before a replica starts what `llama.load` would refuse in it.
"""

from dataclasses import dataclass

from model_runtime.engines.config import Config, field, flag, require
from model_runtime.engines.errors import InvalidConfigError
from model_runtime.engines.rope import Rope, read_rope

LLAMA = "LlamaForCausalLM"
_ALWAYS_BIASED = frozenset({"Qwen2ForCausalLM"})
_HEAD_NORMS = frozenset({"Qwen3ForCausalLM"})
FAMILIES = frozenset({LLAMA, "MistralForCausalLM"}) | _ALWAYS_BIASED | _HEAD_NORMS


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
    rope: Rope
    norm_eps: float
    tied: bool
    qkv_bias: bool = False  # Qwen2's queries, keys and values
    head_norms: bool = False  # Qwen3 normalizes each query and key


def read_config(config: Config) -> LlamaConfig:
    """Return the sizes in config.json; UnsupportedModelError for a setting this file has no code for."""
    require(config, "hidden_act", ("silu",))
    family = _family(config)
    if family not in _ALWAYS_BIASED:
        require(config, "attention_bias", (False,))
    require(config, "mlp_bias", (False,))
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
        context=_context(config),
        rope=read_rope(config),
        norm_eps=field(config, "rms_norm_eps", float),
        tied=flag(config, "tie_word_embeddings"),
        qkv_bias=family in _ALWAYS_BIASED,
        head_norms=family in _HEAD_NORMS,
    )


def _family(config: Config) -> str:
    """Return the architecture; `model_runtime.verify` has refused what is none of ours."""
    named = config.get("architectures") or [LLAMA]
    return named[0] if isinstance(named, list) and isinstance(named[0], str) else LLAMA


def _optional(config: Config, name: str, default: int) -> int:
    """Return a size that the folder may leave out or null."""
    return default if config.get(name) is None else int(field(config, name, int))


def _head_size(config: Config, hidden: int, heads: int) -> int:
    """Return `head_dim`; without it the heads share the hidden size evenly."""
    if config.get("head_dim") is None and hidden % heads:
        raise InvalidConfigError(f"config.json: num_attention_heads is {heads}; expected a divisor of {hidden}")
    return _optional(config, "head_dim", hidden // heads)


def _context(config: Config) -> int:
    """Return the longest text: within a sliding window attention is the plain one, so that is as far as it goes."""
    context = int(field(config, "max_position_embeddings", int))
    if config.get("sliding_window") is None or config.get("use_sliding_window") is False:
        return context
    return min(context, int(field(config, "sliding_window", int)))


def expected_shapes(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a folder in Hugging Face's names, with their shapes."""
    hidden, wide = config.hidden, config.feed_forward
    queries, keys = config.query_heads * config.head_size, config.kv_heads * config.head_size
    layer: dict[str, tuple[int, ...]] = {
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
    layer = {f"{name}.weight": shape for name, shape in layer.items()}
    if config.qkv_bias:
        layer |= {f"self_attn.{name}_proj.bias": (queries if name == "q" else keys,) for name in "qkv"}
    if config.head_norms:
        layer |= {f"self_attn.{name}_norm.weight": (config.head_size,) for name in "qk"}
    shapes = {f"model.layers.{index}.{name}": shape for index in range(config.layers) for name, shape in layer.items()}
    shapes |= {"model.embed_tokens.weight": (config.vocabulary, hidden), "model.norm.weight": (hidden,)}
    return shapes if config.tied else shapes | {"lm_head.weight": (config.vocabulary, hidden)}


def ignored_tensors(config: LlamaConfig) -> tuple[str, ...]:
    """Return tensors that a folder may carry besides: the copy of tied embeddings, and a buffer of older libraries."""
    buffers = (f"model.layers.{index}.self_attn.rotary_emb.inv_freq" for index in range(config.layers))
    return (*buffers, "lm_head.weight") if config.tied else tuple(buffers)
