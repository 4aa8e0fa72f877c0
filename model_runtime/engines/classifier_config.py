"""What config.json says of a sequence classifier beside its encoder: the labels, and how scores become probabilities.

Without torch, as `bert_config`. Called by `classifier.load` and by `model_runtime.loadable`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from model_runtime.engines import bert_config
from model_runtime.engines.bert_config import BertConfig
from model_runtime.engines.config import Config
from model_runtime.engines.errors import InvalidConfigError, UnsupportedModelError
from model_runtime.engines.tensors import Shapes

_MOST_LABELS = 100_000
_MOST_CHARACTERS = 1_000


class Kind(Enum):
    """What the labels are to each other; the value is config.json's problem_type."""

    SINGLE = "single_label_classification"  # one of them holds: softmax
    MULTI = "multi_label_classification"  # each holds or not: sigmoid


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """The encoder's sizes, the labels in the order of the scores, and what they are to each other."""

    encoder: BertConfig
    labels: tuple[str, ...]
    kind: Kind


def read_config(config: Config) -> ClassifierConfig:
    """Return what config.json says; raises UnsupportedModelError or InvalidConfigError, which name the field."""
    encoder, labels = bert_config.read_config(config), _labels(config)
    return ClassifierConfig(encoder=encoder, labels=labels, kind=_kind(config, labels))


def _labels(config: Config) -> tuple[str, ...]:
    """Without names the labels are numbered as Hugging Face does it, two of them unless config.json says how many."""
    named = config.get("id2label")
    if named is None:
        count = config.get("num_labels", 2)
        if type(count) is not int or not 0 < count <= _MOST_LABELS:
            raise InvalidConfigError(
                f"config.json: num_labels is {count!r:.80}; expected int above 0, at most {_MOST_LABELS}"
            )
        return tuple(f"LABEL_{index}" for index in range(count))
    if not isinstance(named, Mapping) or not 0 < len(named) <= _MOST_LABELS:
        raise InvalidConfigError(f"config.json: id2label is {named!r:.80}; expected an object of 1 to {_MOST_LABELS}")
    labels = [named.get(str(index)) for index in range(len(named))]
    for index, label in enumerate(labels):
        if not isinstance(label, str) or len(label) > _MOST_CHARACTERS:
            raise InvalidConfigError(
                f"config.json: id2label has {label!r:.80} for {str(index)!r}; "
                f"expected a text of at most {_MOST_CHARACTERS} characters for each number from 0"
            )
    return tuple(str(label) for label in labels)


def _kind(config: Config, labels: tuple[str, ...]) -> Kind:
    """Return the kind; where nothing is said a single score is a probability by itself, several are one choice."""
    said = config.get("problem_type")
    if said is None:
        return Kind.MULTI if len(labels) == 1 else Kind.SINGLE
    for kind in Kind:
        if said == kind.value:
            return kind
    wanted = " or ".join(repr(kind.value) for kind in Kind)
    raise UnsupportedModelError(f"config.json: problem_type is {said!r:.80}; supported: {wanted}")


def expected_shapes(config: ClassifierConfig) -> Shapes:
    """Return the tensors of a folder in Hugging Face's names, with their shapes."""
    names, hidden, labels = config.encoder.names, config.encoder.hidden, len(config.labels)
    head: dict[str, tuple[int, ...]] = {
        f"{names.head.first}.weight": (hidden, hidden),
        f"{names.head.first}.bias": (hidden,),
        f"{names.head.last}.weight": (labels, hidden),
        f"{names.head.last}.bias": (labels,),
    }
    return {**bert_config.expected_shapes(config.encoder, names.prefix), **head}


def ignored_tensors(config: ClassifierConfig) -> tuple[str, ...]:
    """Return tensors that a folder may carry besides: a buffer, and the pooler of a family whose head has its own."""
    prefix = config.encoder.names.prefix
    return tuple(f"{prefix}{name}" for name in bert_config.IGNORED)
