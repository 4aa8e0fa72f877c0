"""Regular expressions: those of published tokenizers pass, those that take exponential time do not."""

import pytest

from model_runtime.tokenizer_check.ambiguity import MAX_STATES, TooManyStatesError, is_exponential
from model_runtime.tokenizer_check.pattern import NotUnderstoodError

O200K_WORD = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
O200K_TAIL = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
PUBLISHED = {
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "Llama 3": ENDINGS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "Qwen2": ENDINGS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "DeepSeek": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    "DeepSeek's ideographs": "[一-龥぀-ゟ゠-ヿ]+",
    "GPT-4o": rf"[^\r\n\p{{L}}\p{{N}}]?{O200K_WORD}*{O200K_TAIL}+{ENDINGS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{O200K_WORD}+{O200K_TAIL}*{ENDINGS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "GPT-4, possessive": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "BLOOM": " ?[^(\\s|[.,!?…。，、।۔،])]+",
    "StarCoder": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "Kimi": r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lo}&&[^\p{Han}]]*[\p{Ll}\p{Lo}&&[^\p{Han}]]+|\p{N}{1,3}",
    "CLIP": r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "digits by threes from the right": r"\d{1,3}(?=(?:\d{3})*\b)",
    "numbers with commas": r"\d+(?:,\d+)*(?!\d)",
    "words and one space each": r"(?:\w+\s)*x",
    "names of hosts": r"https?://(?:[a-z0-9]+\.)+[a-z]+$",
    "classes by name": r"[[:alpha:]]+|[[:^alpha:]]|[\x{4e00}-\x{9fff}]+|\h{2}",
    "runs of spaces": r" {2,}|(?<=\d)(?=\d)|^\s|\R",
    "a loop that nothing follows": r"(a+)+",
}
EXPONENTIAL = {
    "a loop in a loop": r"(a+)+$",
    "a loop of loops that take nothing": r"(a*)*b",
    "anything, twice": r"(.*)*x",
    "the same alternative twice": r"(a|a)*b",
    "alternatives that are parts of each other": r"(a|aa)+$",
    "alternatives that add up": r"(ab|a|b)*$",
    "alternatives that overlap in one character": r"(?:(?:a|b)|(?:b|c))*d",
    "classes that overlap": r"([^b]|a)*c",
    "a class and a property": r"(\p{L}+|\w+)*$",
    "the other case": r"(?i:(a|A)*)b",
    "a separator that may be left out": r"(\w+\s?)*$",
    "spaces around a comma that may be left out": r"(\s*,?\s*)*x",
    "inside a look ahead": r"x(?=(b+)+c)",
    "what is atomic read as if it were not": r"(?>a+)+b",
    "large bounds": r"(a{1,50}){1,50}b",
    "many times perhaps": r"(a?){50}b",
    "three deep": r"^(([a-z])+.)+[A-Z]([a-z])+$",
    "a quantifier on a quantifier": r"\p{N}{1,3}+x",
}
NOT_UNDERSTOOD = [r"(?<n>a\g<n>?b)", "[a", "(a", "a)", r"\p{", "*a", r"\y", "(?x: a )", "[z-a]", "\\"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_pattern_passes(name: str) -> None:
    assert not is_exponential(PUBLISHED[name])


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_an_exponential_pattern_does_not(name: str) -> None:
    assert is_exponential(EXPONENTIAL[name])


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_not_vouched_for(text: str) -> None:
    with pytest.raises(NotUnderstoodError):
        is_exponential(text)


@pytest.mark.parametrize("text", ["a" * (MAX_STATES + 1), "(?:a{1000}){1000}", "(((a{9}){9}){9}){9}"])
def test_a_pattern_that_is_too_large_is_not_looked_at(text: str) -> None:
    with pytest.raises(TooManyStatesError):
        is_exponential(text)
