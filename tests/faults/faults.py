"""The table of what can go wrong between operator and API server, as sentences and what the proxy does then."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from tests.faults.proxy import Answer, Asked, CutError, Fault, Stream, failure

_SEED = 20
_TOO_OLD = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


@dataclass
class _FirstTries:
    """Which kinds of write have been tried."""

    seen: set[tuple[str, str]] = field(default_factory=set)

    def is_first(self, asked: Asked) -> bool:
        """Tell whether it is the first write of this verb on this kind of object or subresource."""
        if not asked.is_write:
            return False
        parts = asked.path.split("/namespaces/")[-1].split("/")
        what = (asked.method, "/".join(part for number, part in enumerate(parts) if number in (1, 3)))
        if what in self.seen:
            return False
        self.seen.add(what)
        return True


def _refused_once(answer: Answer) -> Fault:
    tries = _FirstTries()

    async def before(asked: Asked) -> Answer | None:
        return answer if tries.is_first(asked) else None

    return Fault(before=before)


def _answer_lost() -> Fault:
    tries = _FirstTries()

    async def after(asked: Asked, answer: Answer) -> Answer:
        if tries.is_first(asked):
            raise CutError
        return answer

    return Fault(after=after)


def _stale_lists() -> Fault:
    """Every list is answered as it was answered first."""
    first: dict[str, Answer] = {}

    async def after(asked: Asked, answer: Answer) -> Answer:
        return first.setdefault(asked.path, answer) if asked.is_list and answer.status == 200 else answer

    return Fault(after=after)


def _cut_often() -> Fault:
    """Every seventh request, and each watch after three events."""
    count = 0

    async def before(asked: Asked) -> Answer | None:
        nonlocal count
        count += 1
        if count % 7 == 0:
            raise CutError
        return None

    async def stream(lines: Stream) -> AsyncIterator[bytes]:
        left = 3
        async for line in lines:
            yield line
            left -= 1
            if not left:
                raise CutError

    return Fault(before=before, stream=lambda _, lines: stream(lines))


def _silent() -> Fault:
    async def stream(lines: Stream) -> AsyncIterator[bytes]:
        async for _ in lines:
            pass
        yield b""

    return Fault(stream=lambda _, lines: stream(lines))


def _without_deletions() -> Fault:
    async def stream(lines: Stream) -> AsyncIterator[bytes]:
        async for line in lines:
            if json.loads(line)["type"] != "DELETED":
                yield line

    return Fault(stream=lambda _, lines: stream(lines))


def _shuffled_and_repeated() -> Fault:
    """Events of 0.2 s come in any order, and one of any time before comes once more."""
    chance = random.Random(_SEED)  # noqa: S311

    async def stream(lines: Stream) -> AsyncIterator[bytes]:
        arrived: list[bytes] = []
        task = asyncio.create_task(_collect(lines, arrived))
        seen: list[bytes] = []
        try:
            while not task.done():
                await asyncio.sleep(0.2)
                batch, arrived[:] = list(arrived), []
                seen += batch
                batch += [chance.choice(seen)] if batch else []
                chance.shuffle(batch)
                for line in batch:
                    yield line
        finally:
            task.cancel()

    return Fault(stream=lambda _, lines: stream(lines))


async def _collect(lines: Stream, arrived: list[bytes]) -> None:
    async for line in lines:
        arrived += [line]


def _expired() -> Fault:
    """Every watch says after two events that its version is too old."""

    async def stream(lines: Stream) -> AsyncIterator[bytes]:
        left = 2
        async for line in lines:
            yield line
            left -= 1
            if not left:
                yield json.dumps({"type": "ERROR", "object": _TOO_OLD}).encode() + b"\n"
                return

    return Fault(stream=lambda _, lines: stream(lines))


def _late() -> Fault:
    """Answers take up to 0.3 s, so that lists, watches and writes overtake each other."""
    chance = random.Random(_SEED)  # noqa: S311

    async def after(_: Asked, answer: Answer) -> Answer:
        await asyncio.sleep(chance.uniform(0, 0.3))
        return answer

    return Fault(after=after)


FAULTS: dict[str, Callable[[], Fault]] = {
    "lists are answered from the past": _stale_lists,
    "connections are cut": _cut_often,
    "watches say nothing": _silent,
    "events come in any order and twice": _shuffled_and_repeated,
    "deletions are never told": _without_deletions,
    "watches expire": _expired,
    "answers overtake each other": _late,
    "writes conflict": lambda: _refused_once(failure(409, "the object has been modified")),
    "there are too many requests": lambda: _refused_once(failure(429, "too many requests", **{"Retry-After": "1"})),
    "the server fails": lambda: _refused_once(failure(500, "etcdserver: leader changed")),
    "the answer is lost after the write": _answer_lost,
}
