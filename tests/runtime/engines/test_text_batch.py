"""How texts of different lengths are laid out: shortest first, and in groups of about one length for attention."""

import pytest
import torch

from model_runtime.engines.text_batch import cut, lay_out

CPU = torch.device("cpu")
CUTS = {
    "one text": ([5], [range(1)]),
    "texts of one length": ([5, 5, 5], [range(3)]),
    "short texts are all about as long": ([1, 3, 9], [range(3)]),
    "a long one stands alone": ([4, 6, 200], [range(2), range(2, 3)]),
    "each group is measured from its shortest": ([10, 23, 24, 44], [range(2), range(2, 4)]),
}


@pytest.mark.parametrize(("lengths", "groups"), CUTS.values(), ids=CUTS.keys())
def test_groups(lengths: list[int], groups: list[range]) -> None:
    assert list(cut(lengths)) == groups


def test_every_token_is_in_its_place() -> None:
    texts = [[7, 8, 9], [1] * 40, [5], [2, 3, 4]]
    batch = lay_out(texts, CPU)
    assert batch.ids.tolist() == [5, 7, 8, 9, 2, 3, 4, *[1] * 40]
    assert batch.positions.tolist() == [0, 0, 1, 2, 0, 1, 2, *range(40)]
    assert batch.starts.tolist() == [0, 1, 4, 7]
    assert batch.text_of_tokens().tolist() == [0, 1, 1, 1, 2, 2, 2, *[3] * 40]
    assert batch.in_callers_order(torch.tensor([[10], [11], [12], [13]])).tolist() == [[11], [13], [10], [12]]


def test_a_group_pads_and_unpads() -> None:
    batch = lay_out([[7, 8, 9], [5], [1] * 40], CPU)
    mixed, alone = batch.groups
    padded = mixed.pad(batch.ids[:, None])
    assert padded.shape == (2, 3, 1)
    assert mixed.mask is not None
    assert mixed.mask[:, 0, 0].tolist() == [[True, False, False], [True, True, True]]
    assert mixed.unpad(padded).flatten().tolist() == [5, 7, 8, 9]
    assert (alone.mask, alone.pad(batch.ids[:, None]).shape) == (None, (1, 40, 1))
    assert torch.cat([group.unpad(group.pad(batch.ids)) for group in batch.groups]).equal(batch.ids)
