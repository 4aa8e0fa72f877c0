"""Blocks of the cache: who holds them, what is found again, what goes first; and that none is ever lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.engines.kv_blocks import NOTHING, BlockPool, name_after
from model_runtime.engines.kv_cache import BLOCK_TOKENS

A, B, C = ([letter] * BLOCK_TOKENS for letter in (1, 2, 3))


def filled(pool: BlockPool, tokens: list[int]) -> list[int]:
    """Take blocks for whole blocks of tokens, and fill them."""
    name, blocks = NOTHING, []
    for start in range(0, len(tokens), BLOCK_TOKENS):
        block = pool.take()
        assert block is not None
        name = name_after(name, tokens[start : start + BLOCK_TOKENS])
        pool.fill(block, name)
        blocks.append(block)
    return blocks


def test_a_block_is_given_once_until_it_comes_back() -> None:
    pool = BlockPool(2)
    first, second = pool.take(), pool.take()
    assert {first, second} == {0, 1}
    assert pool.take() is None
    pool.release([second])
    assert pool.take() == second


@pytest.mark.parametrize(
    ("tokens", "count"),
    [
        pytest.param(A + B + C + [9], 3, id="a longer prompt shares all of it"),
        pytest.param(A + B + [9], 2, id="another end shares the beginning"),
        pytest.param(A + B + C, 2, id="the same prompt leaves out the last block: a token must be run"),
        pytest.param(A + C + [9], 1, id="a block after another one is another block"),
        pytest.param(B + C + [9], 0, id="another beginning shares nothing"),
        pytest.param([*A[:-1], 9, 9], 0, id="a part of a block is not shared"),
    ],
)
def test_what_a_prompt_shares(tokens: list[int], count: int) -> None:
    pool = BlockPool(8)
    blocks = filled(pool, A + B + C)
    assert pool.share(tokens) == blocks[:count]


def test_what_was_given_back_is_found_until_its_room_is_needed() -> None:
    pool = BlockPool(3)
    blocks = filled(pool, A + B)
    pool.release(blocks)
    assert pool.available == 3
    assert pool.share(A + B + [9]) == blocks
    pool.release(blocks)
    taken = [pool.take(), pool.take()]
    # The unused block goes first, then the end of what was kept.
    assert taken == [2, blocks[1]]
    assert pool.share(A + B + [9]) == blocks[:1]


def test_a_shared_block_is_not_given_away_while_anyone_holds_it() -> None:
    pool = BlockPool(1)
    blocks = filled(pool, A)
    assert pool.share([*A, 9]) == blocks
    pool.release(blocks)
    assert pool.take() is None
    pool.release(blocks)
    assert pool.take() == blocks[0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(1, 3), min_size=1, max_size=4)), max_size=40))
def test_no_block_is_lost_or_held_by_two_who_write(steps: list[tuple[int, list[int]]]) -> None:
    """Sequences come, share, take and go in any order."""
    pool, held = BlockPool(6), []
    for action, letters in steps:
        if action == 0 and held:
            pool.release(held.pop(0)[0])
            continue
        tokens = [letter for letter in letters for _ in range(BLOCK_TOKENS)] + [9]
        shared = pool.share(tokens)
        own, name = [], NOTHING
        for index in range(len(letters)):
            name = name_after(name, tokens[index * BLOCK_TOKENS : (index + 1) * BLOCK_TOKENS])
            if index >= len(shared):
                block = pool.take()
                if block is None:
                    break
                own.append(block)
                pool.fill(block, name)
        others = {block for blocks, _ in held for block in blocks}
        assert not set(own) & (others | set(shared))
        held.append((shared + own, own))
    assert pool.available == pool.size - len({block for blocks, _ in held for block in blocks})
    for blocks, _ in held:
        pool.release(blocks)
    assert pool.available == pool.size
