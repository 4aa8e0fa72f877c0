"""What every side is given: mixed lengths, and no two beginnings alike."""

import pytest

from bench.runtime.workload import REQUESTS, SENTENCES, cut, prompts, sentences


def test_prompts_are_of_every_length_from_sixteen_words_on() -> None:
    lengths = [len(text.split()) - 1 for text in prompts(0)]  # less the number before it
    assert sorted(lengths) == list(range(16, 96, 10))
    assert lengths != sorted(lengths)


def test_sentences_are_of_mixed_lengths() -> None:
    lengths = [len(text.split()) - 1 for text in sentences()]
    assert (len(lengths), min(lengths), max(lengths)) == (SENTENCES, 4, 66)


def test_no_prompt_begins_as_another_does() -> None:
    texts = [*prompts(0), *prompts(REQUESTS, 200)]
    assert len({text.split()[0] for text in texts}) == len(texts) == REQUESTS + 200


def test_no_prompt_ends_as_a_sentence_does() -> None:
    assert not [text for text in prompts(0, 500) if text[-1] in ".,"]


@pytest.mark.parametrize(
    ("size", "parts"), [(1, [["a"], ["b"], ["c"]]), (2, [["a", "b"], ["c"]]), (8, [["a", "b", "c"]])]
)
def test_texts_are_cut_into_batches(size: int, parts: list[list[str]]) -> None:
    assert cut(["a", "b", "c"], size) == parts
