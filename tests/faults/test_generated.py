"""Whatever spec comes, the operator goes on: each is observed, and the way back leads to the same objects."""

import asyncio
from dataclasses import dataclass

import pytest

from nereid_operator.api.resources import DEPLOYMENT, JOB, MODEL_DEPLOYMENT
from nereid_operator.errors import RejectedError
from tests.faults.apiserver import Object, until
from tests.faults.conftest import MakeStand
from tests.faults.stand import Stand
from tests.faults.state import assert_same, state_of
from tests.stack.specs import runs_of, specs

pytestmark = pytest.mark.e2e

FIRST = {"model": {"uri": "s3://models/minilm"}, "replicas": 1}
CHANGES_OF_A_RUN = 10
SIDE_BY_SIDE = 5


@dataclass
class Count:
    """How many changes were observed, and how many the API server refused."""

    observed: int = 0
    refused: int = 0


async def test_a_hundred_generated_changes_and_back(make_stand: MakeStand):
    await _change(make_stand, changes=100)


@pytest.mark.soak
async def test_a_thousand_generated_changes_and_back(make_stand: MakeStand, capsys: pytest.CaptureFixture[str]):
    count = await _change(make_stand, changes=1000)
    with capsys.disabled():
        print(f"\n{count}")  # noqa: T201


async def _change(make_stand: MakeStand, *, changes: int) -> Count:
    generated = runs_of(specs(), count=changes // CHANGES_OF_A_RUN, length=CHANGES_OF_A_RUN)
    count = Count()
    rows = [generated[number::SIDE_BY_SIDE] for number in range(SIDE_BY_SIDE)]
    stands = [await make_stand() for _ in rows]
    await asyncio.gather(*(_row(stand, row, count) for stand, row in zip(stands, rows, strict=True)))
    assert count.observed + count.refused == len(generated) * CHANGES_OF_A_RUN
    assert count.refused < count.observed / 4, "most of what the operator accepts shall be what the API server accepts"
    return count


async def _row(stand: Stand, runs: list[list[Object]], count: Count) -> None:
    async with stand.operator():
        await stand.api.apply("m", FIRST)
        await stand.settled()
        first = await state_of(stand.api)
        for run in runs:
            for spec in run:
                await _apply(stand, spec, count)
            await stand.api.apply("m", FIRST)
            await stand.settled()
            assert_same(_kept(await state_of(stand.api)), _kept(first), f"after {run}")
            assert await stand.writes_of_resyncs(1) == [], run


async def _apply(stand: Stand, spec: Object, count: Count) -> None:
    """Apply a spec and wait until status speaks of it."""
    try:
        applied = await stand.api.apply("m", spec)
    except RejectedError:
        count.refused += 1
        return

    async def observed() -> bool:
        body = await stand.api.get(MODEL_DEPLOYMENT, "m")
        return (
            body is not None and body.get("status", {}).get("observedGeneration") == applied["metadata"]["generation"]
        )

    await until(f"{spec} to be observed", observed)
    count.observed += 1


def _kept(state: dict[str, Object]) -> dict[str, Object]:
    """Return what serves: not the revision that is kept at zero, nor the Job whose answer is in status.

    Nor whether it was ever scaled, after which its replicas are held by `nereid-scale` and no longer by who created it.
    """
    return {
        name: {**body, "managers": [entry for entry in body["managers"] if entry[2] != "scale"]}
        for name, body in state.items()
        if body["kind"] != JOB.kind and (body["kind"] != DEPLOYMENT.kind or body["spec"]["replicas"] > 0)
    }
