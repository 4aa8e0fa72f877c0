"""Sets of characters as bits over a sample of Unicode: enough to say whether two parts of a pattern can take the same.

Pure. Called by `pattern`. The sample has ASCII whole, some characters of each general category and of the scripts that
published patterns name, and whatever stands literally in the pattern at hand.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

# Besides ASCII: of each category a few, of the scripts that patterns name one at least, and odd cases of folding.
_PER_CATEGORY = 3
_SCRIPTS = "éßñΩжאبกあア漢한ㄅ々〆ー٣५०１Ⅷ½\u0301\u200d\u00a0\u3000\u2028\ufeff🙂。，、！？“”—…ſK"

_POSIX: dict[str, Callable[[str], bool]] = {
    "alnum": str.isalnum,
    "alpha": str.isalpha,
    "ascii": str.isascii,
    "any": lambda _: True,
    "blank": lambda c: c in " \t" or unicodedata.category(c) == "Zs",
    "cntrl": lambda c: unicodedata.category(c) == "Cc",
    "digit": lambda c: unicodedata.category(c) == "Nd",
    "graph": lambda c: unicodedata.category(c)[0] not in "ZC",
    "lower": str.islower,
    "print": lambda c: unicodedata.category(c)[0] != "C",
    "punct": lambda c: unicodedata.category(c)[0] in "PS",
    "space": str.isspace,
    "upper": str.isupper,
    "word": lambda c: unicodedata.category(c)[0] in "LMN" or unicodedata.category(c) == "Pc",
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
}
_SCRIPT_NAMES = {"han": "CJK", "ideographic": "CJK"}


def _sample() -> str:
    found: dict[str, list[str]] = {}
    for code in range(128, 0x3000):
        found.setdefault(unicodedata.category(chr(code)), []).append(chr(code))
    return "".join("".join(characters[:_PER_CATEGORY]) for characters in found.values())


_COMMON = "".join(map(chr, range(128))) + _SCRIPTS + _sample()


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The characters that stand for all; a set of them is an integer, bit i for character i."""

    characters: str

    @property
    def everything(self) -> int:
        """The set of all characters."""
        return (1 << len(self.characters)) - 1

    def where(self, test: Callable[[str], bool]) -> int:
        """Return the set of the characters for which the test holds."""
        return sum(1 << index for index, character in enumerate(self.characters) if test(character))

    def posix(self, name: str) -> int:
        """Return the set of a name as in `[[:alpha:]]`; none for a name that there is not."""
        test = _POSIX.get(name.lower())
        return self.where(test) if test is not None else 0

    def unicode_property(self, name: str) -> int:
        r"""Return the set of a name as in `\p{Lu}` or `\p{Han}`: a general category, a POSIX name or a script."""
        plain = name.replace("_", "").replace(" ", "").lower()
        if known := self.posix(plain):
            return known
        if category := self.where(lambda c: unicodedata.category(c).lower().startswith(plain)):
            return category
        script = _SCRIPT_NAMES.get(plain, name.upper())
        return self.where(lambda c: unicodedata.name(c, "").startswith(script))


def alphabet_of(pattern: str) -> Alphabet:
    """Return the sample for one pattern."""
    return Alphabet("".join(dict.fromkeys(_COMMON + pattern + pattern.swapcase())))
