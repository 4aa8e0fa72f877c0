"""A regular expression in Oniguruma's syntax to a tree of what it can take; pure. Called by `ambiguity`.

Only as much is kept as decides how many ways there are through a text: sets of characters, sequences, alternatives
and repetitions. Atomic groups and possessive quantifiers are read as plain ones, which are the
worse. What is not understood is refused, since what is not understood cannot be vouched for.
"""

import re
from dataclasses import dataclass, field

from model_runtime.tokenizer_check.alphabet import Alphabet, alphabet_of

_QUANTIFIER = re.compile(r"[*+?]|\{(?=,?\d)(\d*)(,?)(\d*)\}")
_GROUP = re.compile(r"\?(?:(?P<look><?[=!])|(?P<flags>[imd-]*)(?P<end>[:)])|>|<\w+>|'\w+'|#[^)]*)")
_HEXADECIMAL = re.compile(r"x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})")
_PROPERTY = re.compile(r"[pP]\{(\^?)([\w ]{1,40})\}")
_POSIX = re.compile(r"\[:(\^?)(\w{1,20}):\]")
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "0": "\0"}
_CLASSES = {"d": "digit", "w": "word", "s": "space", "h": "xdigit"}
_ANCHORS = frozenset("bBAzZGK")
_MAX_REPETITIONS = 10**6


class NotUnderstoodError(ValueError):
    """The pattern has something in it that is not read here."""


@dataclass(frozen=True, slots=True)
class One:
    """One character of a set."""

    characters: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    items: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """From `low` to `high` times; without end where `high` is None."""

    item: "Node"
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Condition:
    """Takes nothing, and may fail: an anchor, or a look ahead or behind."""


Node = One | Condition | Sequence | Choice | Repeat


@dataclass(frozen=True, slots=True)
class Pattern:
    """What takes characters, and what only looks ahead or behind, each by itself."""

    main: Node
    looks: tuple[Node, ...]


def parse(text: str) -> Pattern:
    """Read a pattern.

    Raises:
        NotUnderstoodError: names what is not read here, and where it stands.

    """
    reader = _Reader(text, alphabet_of(text))
    main = reader.choice()
    if reader.at < len(text):
        raise reader.not_understood()
    return Pattern(main, tuple(reader.looks))


@dataclass(slots=True)
class _Reader:
    text: str
    alphabet: Alphabet
    at: int = 0
    ignore_case: bool = False
    looks: list[Node] = field(default_factory=list)

    def not_understood(self) -> NotUnderstoodError:
        return NotUnderstoodError(f"{self.text[self.at : self.at + 20]!r} at character {self.at}")

    def starts(self, text: str) -> bool:
        """Step over the text if it comes next."""
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def match(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        """Step over what the expression matches next, if it does."""
        found = expression.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def choice(self) -> Node:
        """Read alternatives up to the end of the group; flags set inside hold to there."""
        ignore_case, items = self.ignore_case, [self.sequence()]
        while self.starts("|"):
            items.append(self.sequence())
        self.ignore_case = ignore_case
        return items[0] if len(items) == 1 else Choice(tuple(items))

    def sequence(self) -> Node:
        items: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            items.append(self.quantified(self.atom()))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def quantified(self, node: Node) -> Node:
        """Read the quantifiers behind an atom: also a second one, which is no `?` or `+` but a loop about the first."""
        while (found := self.match(_QUANTIFIER)) is not None:
            node = Repeat(node, *_bounds(found))
            if found[0][0] == "{":
                continue
            # Lazy or possessive: as many ways as without.
            self.starts("?") or self.starts("+")
        return node

    def atom(self) -> Node:
        if self.starts("("):
            return self.group()
        if self.starts("["):
            return One(self.folded(self.bracket()))
        if self.starts("\\"):
            return self.escape()
        if self.starts("."):
            return One(self.alphabet.everything)
        if self.starts("^") or self.starts("$"):
            return Condition()
        if self.text[self.at] in "*+?":
            raise self.not_understood()
        self.at += 1
        return One(self.folded(self.character(self.text[self.at - 1])))

    def group(self) -> Node:
        if not self.text.startswith("?", self.at):
            return self.closed(self.choice())
        found = self.match(_GROUP)
        if found is None:
            raise self.not_understood()
        if found["flags"] and "i" in found["flags"].partition("-")[0]:
            ignore_case, self.ignore_case = self.ignore_case, True
        else:
            ignore_case = self.ignore_case
        if found["end"] == ")":
            # A flag alone holds for the alternatives that follow, up to the end of the group around it.
            return self.choice()
        node = self.closed(self.choice())
        self.ignore_case = ignore_case
        if found["look"] is None:
            return node
        self.looks.append(node)
        return Condition()

    def closed(self, node: Node) -> Node:
        if not self.starts(")"):
            raise self.not_understood()
        return node

    def escape(self) -> Node:
        """Read what follows a backslash outside brackets."""
        letter = self.text[self.at : self.at + 1]
        if letter in _ANCHORS and letter:
            self.at += 1
            return Condition()
        if letter in {"R", "X"}:
            self.at += 1
            return One(self.alphabet.everything)
        if letter.isdecimal() and letter != "0":
            # What a group took, again: whatever that was.
            self.at += 1
            return Repeat(One(self.alphabet.everything), 0, None)
        return One(self.folded(self.escaped_set()))

    def escaped_set(self) -> int:
        """Read what follows a backslash where a set of characters is wanted."""
        if found := self.match(_PROPERTY):
            negative = (self.text[found.start()] == "P") != bool(found[1])
            named = self.alphabet.unicode_property(found[2])
            # A script of which the sample has nothing: it may be anything.
            return self.negated(named, negative=negative) if named else self.alphabet.everything
        if found := self.match(_HEXADECIMAL):
            return self.character(chr(int(found[1] or found[2] or found[3], 16)))
        letter = self.text[self.at : self.at + 1]
        if not letter or (letter.isalnum() and letter not in _CONTROL and letter.lower() not in _CLASSES):
            raise self.not_understood()
        self.at += 1
        if letter.lower() in _CLASSES:
            return self.negated(self.alphabet.posix(_CLASSES[letter.lower()]), negative=letter.isupper())
        return self.character(_CONTROL.get(letter, letter))

    def bracket(self) -> int:
        """Read a class up to its closing bracket: members, ranges, classes inside it, and `&&`."""
        negative, both, found = self.starts("^"), self.alphabet.everything, 0
        first = True
        while first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise self.not_understood()
            if self.starts("&&"):
                both, found = both & found, 0
            else:
                found |= self.member()
            first = False
        self.at += 1
        return self.negated(both & found, negative=negative)

    def member(self) -> int:
        """Read one member of a class, or the range that it begins."""
        if posix := self.match(_POSIX):
            return self.negated(self.alphabet.posix(posix[2]), negative=bool(posix[1]))
        if self.starts("["):
            return self.bracket()
        begin, low = self.at, self.single()
        if self.text.startswith("-]", self.at) or not self.starts("-"):
            return low
        last = self.single()
        if low.bit_count() != 1 or last.bit_count() != 1:
            # Not a range but three members, as in `\w-.`.
            return low | self.character("-") | last
        ends = [self.alphabet.characters[one.bit_length() - 1] for one in (low, last)]
        if ends[0] > ends[1]:
            self.at = begin
            raise self.not_understood()
        return self.alphabet.where(lambda c: ends[0] <= c <= ends[1]) | low | last

    def single(self) -> int:
        if self.starts("\\"):
            return self.escaped_set()
        self.at += 1
        return self.character(self.text[self.at - 1 : self.at])

    def character(self, character: str) -> int:
        """Return the set of one character; everything for one that the sample lacks, written by its number."""
        index = self.alphabet.characters.find(character)
        return 1 << index if character and index >= 0 else self.alphabet.everything

    def negated(self, characters: int, *, negative: bool) -> int:
        return self.alphabet.everything & ~characters if negative else characters

    def folded(self, characters: int) -> int:
        """Add the other case of each character where case is ignored."""
        if not self.ignore_case:
            return characters
        taken = {c.casefold() for index, c in enumerate(self.alphabet.characters) if characters >> index & 1}
        return self.alphabet.where(lambda c: c.casefold() in taken)


def _bounds(found: re.Match[str]) -> tuple[int, int | None]:
    match found[0]:
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
    low = min(int(found[1] or 0), _MAX_REPETITIONS)
    if not found[2]:
        return low, low
    return low, min(int(found[3]), _MAX_REPETITIONS) if found[3] else None
