"""What config.json says of a BERT-like encoder: its sizes, the tensors that follow from them, and what is refused.

The families differ in how they write their config.json and name their tensors, hardly in what they compute: each is a
row of `FAMILIES`. Without torch, so that `model_runtime.loadable` refuses before a replica starts what `bert.load` and
`classifier.load` would refuse in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model_runtime.engines.bert_names import BERT, DISTILBERT, LAYER_NORMS, ROBERTA, Names
from model_runtime.engines.config import Config, field, require
from model_runtime.engines.errors import InvalidConfigError, UnsupportedModelError
from model_runtime.engines.tensors import Shapes

_Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BertConfig:
    """The sizes of a BERT-like encoder. `positions` counts the rows of the table, of which the first are not used."""

    names: Names
    vocabulary: int
    hidden: int
    feed_forward: int
    layers: int
    heads: int
    positions: int
    unused_positions: int
    token_types: int  # 0: the family has none
    norm_eps: float

    @property
    def context(self) -> int:
        """The longest text in tokens."""
        return self.positions - self.unused_positions


# By the architecture's name in config.json.
FAMILIES: Mapping[str, Names] = {
    "BertModel": BERT,
    "BertForSequenceClassification": BERT,
    "RobertaModel": ROBERTA,
    "RobertaForSequenceClassification": ROBERTA,
    "XLMRobertaModel": ROBERTA,
    "XLMRobertaForSequenceClassification": ROBERTA,
    "DistilBertModel": DISTILBERT,
    "DistilBertForSequenceClassification": DISTILBERT,
}


def read_config(config: Config) -> BertConfig:
    """Return the sizes in config.json; UnsupportedModelError for a setting this file has no code for."""
    names = _family(config)
    require(config, names.activation, ("gelu",))
    require(config, "position_embedding_type", ("absolute",))
    require(config, "is_decoder", (False,))
    heads, hidden = field(config, names.heads, int), field(config, names.hidden, int)
    if hidden % heads:
        raise InvalidConfigError(f"config.json: {names.heads} is {heads}; expected a divisor of {hidden}")
    positions = field(config, "max_position_embeddings", int)
    return BertConfig(
        names=names,
        vocabulary=field(config, "vocab_size", int),
        hidden=hidden,
        feed_forward=field(config, names.feed_forward, int),
        layers=field(config, names.layers, int),
        heads=heads,
        positions=positions,
        unused_positions=_unused(config, positions) if names.counts_from_padding else 0,
        token_types=field(config, "type_vocab_size", int) if names.token_types else 0,
        norm_eps=field(config, "layer_norm_eps", float) if names.norm_eps is None else names.norm_eps,
    )


def _family(config: Config) -> Names:
    match config.get("architectures"):
        case [str(architecture), *_] if architecture in FAMILIES:
            return FAMILIES[architecture]
        case other:
            raise UnsupportedModelError(
                f"config.json: architectures is {other!r:.80}; supported: {', '.join(sorted(FAMILIES))}"
            )


def _unused(config: Config, positions: int) -> int:
    """RoBERTa's positions begin after the padding token's number: rows up to it stand for padding."""
    padding = config.get("pad_token_id", 1)
    if type(padding) is not int or not 0 <= padding < positions - 1:
        raise InvalidConfigError(
            f"config.json: pad_token_id is {padding!r:.80}; expected 0 or more, below max_position_embeddings - 1"
        )
    return padding + 1


def expected_shapes(config: BertConfig, prefix: str = "") -> Shapes:
    """Return the encoder's tensors in Hugging Face's names, with their shapes; `prefix` stands before each."""
    names, hidden, wide = config.names, config.hidden, config.feed_forward
    sizes = {"intermediate": (wide, hidden), "down": (hidden, wide)}
    layer: dict[str, _Shape] = {}
    for part, name in names.parts.items():
        if part in LAYER_NORMS:
            layer |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
        else:
            shape = sizes.get(part, (hidden, hidden))
            layer |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    shapes: dict[str, _Shape] = {
        "embeddings.word_embeddings.weight": (config.vocabulary, hidden),
        "embeddings.position_embeddings.weight": (config.positions, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    if config.token_types:
        shapes["embeddings.token_type_embeddings.weight"] = (config.token_types, hidden)
    shapes |= {
        f"{names.layer}.{index}.{name}": shape for index in range(config.layers) for name, shape in layer.items()
    }
    return {f"{prefix}{name}": shape for name, shape in shapes.items()}


# A buffer, and the head of the pre-training task, which an embedding does not use.
IGNORED = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
