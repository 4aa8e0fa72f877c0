"""Can a pattern take the same text in exponentially many ways? Then a search that fails tries them all. Pure.

The pattern becomes an automaton with one state for each place where it takes a character (Glushkov's). Two ways from a
state back to itself over the same text double the ways with every round. They are found as a step that two loops give
(`(a+)+`), and as two states that can be in step with each other (`(a|a)*`, `(a|aa)+`): in the product of the automaton
with itself, a pair of different states on a cycle through a pair of the same one. A loop that may end the whole match
after each character is harmless: there is nothing after it that could fail. Called by `structure`.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from model_runtime.tokenizer_check.pattern import Choice, Condition, Node, One, Repeat, Sequence, parse

# The longest published pattern takes characters in some 80 places.
MAX_STATES = 1500
# A loop of more states than this is taken for ambiguous: to compare all pairs would take too long.
_MAX_LOOP_STATES = 100
# A repetition of more is as bad as one without end.
_MAX_COPIES = 8

T = TypeVar("T", bound=Hashable)


class TooManyStatesError(ValueError):
    """The pattern is too large to be looked at."""


def is_exponential(text: str) -> bool:
    """Tell whether some text makes a search with this pattern take exponential time.

    Raises:
        NotUnderstoodError: the pattern has something in it that is not read here.
        TooManyStatesError: it takes characters in more than MAX_STATES places.

    """
    pattern = parse(text)
    return any(_Automaton().is_exponential(node) for node in (pattern.main, *pattern.looks))


@dataclass(frozen=True, slots=True)
class _Part:
    """Of a part of the pattern: the states it may begin and end in, and whether it may take nothing.

    `sure` are the states after which the part has matched, whatever follows; with `passable` it has without any.
    """

    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()
    empty: bool = True
    sure: frozenset[int] = frozenset()
    passable: bool = True


@dataclass(slots=True)
class _Automaton:
    takes: list[int] = field(default_factory=list)  # by state, the characters it takes
    steps: list[set[int]] = field(default_factory=list)
    twice: set[tuple[int, int]] = field(default_factory=set)  # steps that two loops give
    endless: bool = False  # found ambiguous while it was built

    def is_exponential(self, node: Node) -> bool:
        sure = self.add(node).sure
        return self.endless or any(self.is_ambiguous(loop) for loop in self.loops() if not loop <= sure)

    def loops(self) -> Iterator[frozenset[int]]:
        """Give the sets of states from which each other's are reached."""
        for states in components(range(len(self.takes)), self.steps.__getitem__):
            if len(states) > 1 or any(state in self.steps[state] for state in states):
                yield frozenset(states)

    def is_ambiguous(self, loop: frozenset[int]) -> bool:
        if any(begin in loop and end in loop for begin, end in self.twice):
            return True
        if len(loop) == 1:
            return False
        if len(loop) > _MAX_LOOP_STATES:
            return True

        def pairs_after(pair: tuple[int, int]) -> Iterator[tuple[int, int]]:
            for one in self.steps[pair[0]] & loop:
                for other in self.steps[pair[1]] & loop:
                    if self.takes[one] & self.takes[other]:
                        yield (one, other) if one <= other else (other, one)

        found = components(((state, state) for state in loop), pairs_after)
        return any({one == other for one, other in pairs} == {True, False} for pairs in found)

    def add(self, node: Node) -> _Part:
        match node:
            case One(characters):
                return self.add_state(characters)
            case Condition():
                return _Part(passable=False)
            case Sequence(items):
                return self.add_sequence(items)
            case Choice(items):
                parts = [self.add(item) for item in items]
                return _Part(
                    frozenset().union(*(part.first for part in parts)),
                    frozenset().union(*(part.last for part in parts)),
                    any(part.empty for part in parts),
                    frozenset().union(*(part.sure for part in parts)),
                    any(part.passable for part in parts),
                )
            case Repeat(item, low, high):
                return self.add_repeat(item, low, high)

    def add_state(self, characters: int) -> _Part:
        if len(self.takes) == MAX_STATES:
            raise TooManyStatesError(f"characters are taken in more than {MAX_STATES} places")
        self.takes.append(characters)
        self.steps.append(set())
        only = frozenset({len(self.takes) - 1})
        return _Part(only, only, empty=False, sure=only, passable=False)

    def add_sequence(self, items: Iterable[Node]) -> _Part:
        whole = _Part()
        for item in items:
            whole = self.joined(whole, self.add(item))
        return whole

    def joined(self, before: _Part, after: _Part) -> _Part:
        self.connect(before.last, after.first)
        return _Part(
            before.first | after.first if before.empty else before.first,
            before.last | after.last if after.empty else after.last,
            before.empty and after.empty,
            before.sure | after.sure if after.passable else after.sure,
            before.passable and after.passable,
        )

    def add_repeat(self, item: Node, low: int, high: int | None) -> _Part:
        if high is None:
            return self.looped(self.add(item))
        if (low, high) == (0, 1):
            return self.add_optional(item)
        if high <= _MAX_COPIES:
            return self.add_sequence([*[item] * low, *[Repeat(item, 0, 1)] * (high - low)])
        part = self.add(item)
        # Each of many rounds may take nothing or something, in any order.
        self.endless |= part.empty
        return self.joined(part, self.add_sequence([item] * (low - 1))) if low == high else self.looped(part)

    def add_optional(self, item: Node) -> _Part:
        return replace(self.add(item), empty=True, passable=True)

    def looped(self, part: _Part) -> _Part:
        self.connect(part.last, part.first)
        return replace(part, empty=True, passable=True)

    def connect(self, begins: Iterable[int], ends: Iterable[int]) -> None:
        for begin in begins:
            for end in ends:
                if end in self.steps[begin]:
                    self.twice.add((begin, end))
                self.steps[begin].add(end)


def components(roots: Iterable[T], after: Callable[[T], Iterable[T]]) -> list[list[T]]:
    """Return the strongly connected components of what is reached from the roots: Tarjan's, without recursion."""
    numbers: dict[T, int] = {}
    lows: dict[T, int] = {}
    open_nodes: list[T] = []
    is_open: set[T] = set()
    found: list[list[T]] = []

    def enter(node: T) -> tuple[T, Iterator[T]]:
        numbers[node] = lows[node] = len(numbers)
        open_nodes.append(node)
        is_open.add(node)
        return node, iter(after(node))

    def leave(node: T) -> None:
        if lows[node] < numbers[node]:
            return
        component: list[T] = []
        while not component or component[-1] != node:
            component.append(open_nodes.pop())
            is_open.discard(component[-1])
        found.append(component)

    for root in roots:
        way = [] if root in numbers else [enter(root)]
        while way:
            node, rest = way[-1]
            following = next(rest, None)
            if following is None:
                way.pop()
                leave(node)
                if way:
                    lows[way[-1][0]] = min(lows[way[-1][0]], lows[node])
            elif following not in numbers:
                way.append(enter(following))
            elif following in is_open:
                lows[node] = min(lows[node], numbers[following])
    return found
