"""The operator against a bare client: the same objects, the same client class, the same concurrency, in turn.

The bare client applies each child once and does nothing else: no status, no look at what is there, no watch.
"""

import asyncio

from bench.control.audit import child_writes, span_seconds
from bench.control.load import client
from bench.control.results import Rounds
from bench.control.scene import Scene, kinds
from tests.cluster.progress import say


async def play(scene: Scene) -> Rounds:
    """Play all rounds; each has a namespace of its own, and begins when the one before has settled."""
    operator, bare = [], []
    await asyncio.to_thread(scene.stand.make_room, 2 * scene.options.rounds * scene.options.round_size)
    for number in range(scene.options.rounds):
        operator.append(await _operator_round(scene, f"operator-{number}"))
        bare.append(await _bare_round(scene, f"bare-{number}"))
        say(f"round {number + 1}: operator {operator[-1]:.1f} s, bare client {bare[-1]:.1f} s")
    return Rounds(scene.options.round_size, tuple(operator), tuple(bare))


async def _operator_round(scene: Scene, namespace: str) -> float:
    count = scene.options.round_size
    scene.stand.make_namespace(namespace)
    await scene.users.create_models(namespace, range(count))
    objects = await scene.children(namespace)
    start = scene.stand.audit.position()
    async with scene.operator("rounds", NEREID_WATCH_NAMESPACES=namespace):
        await scene.complete(start, objects)
        await scene.ready(namespace, count)
    return span_seconds(child_writes(scene.writes(start), kinds(objects)))


async def _bare_round(scene: Scene, namespace: str) -> float:
    count = scene.options.round_size
    scene.stand.make_namespace(namespace)
    await scene.users.create_models(namespace, range(count))
    objects = await scene.children(namespace)
    start = scene.stand.audit.position()
    async with client(scene.stand.operator) as bare:
        await bare.apply_bare(objects, concurrency=scene.stand.settings.concurrency)
    await scene.complete(start, objects)
    await scene.deployed(namespace, count)
    return span_seconds(child_writes(scene.writes(start), kinds(objects)))
