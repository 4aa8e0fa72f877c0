"""A layer in oneDNN's layout gives what torch's public functions give, and takes the weight's memory once."""

import weakref

import pytest
import torch

from model_runtime.engines.linear import Activation, can_pack, make_linear, plain_linear

# How far sums in another order may be apart, beside values of about 10: the grain of each format.
CLOSE = {torch.float32: 1e-4, torch.bfloat16: 0.07, torch.float16: 0.01}


@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("rows", [(), (1,), (5,), (64,), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", CLOSE, ids=str)
def test_the_product_is_the_plain_one(dtype: torch.dtype, rows: tuple[int, ...], activation: Activation) -> None:
    draw = torch.Generator().manual_seed(1)
    weight, bias = torch.randn(48, 33, generator=draw), torch.randn(48, generator=draw)
    x = torch.randn(*rows, 33, generator=draw)
    expected = plain_linear(weight, bias, activation)(x)
    found = make_linear(weight.to(dtype), bias.to(dtype), activation)(x.to(dtype))
    assert (found.dtype, found.shape) == (dtype, expected.shape)
    torch.testing.assert_close(found.float(), expected, atol=CLOSE[dtype], rtol=CLOSE[dtype])


def test_rows_may_lie_anywhere() -> None:
    weight, rows = torch.randn(16, 8), torch.randn(8, 6)
    torch.testing.assert_close(make_linear(weight)(rows.T), rows.T @ weight.T)


def test_what_was_laid_out_anew_is_given_back() -> None:
    weight = torch.randn(16, 8)
    assert can_pack(weight)
    loaded = weakref.ref(weight)
    linear = make_linear(weight)
    del weight
    assert loaded() is None
    assert linear(torch.zeros(1, 8)).tolist() == [[0.0] * 16]


@pytest.mark.parametrize(
    ("weight", "packs"),
    [
        (torch.zeros(2, 2), True),
        (torch.zeros(2, 2, dtype=torch.float16), False),
        (torch.zeros(2, 2, dtype=torch.float64), False),
        (torch.zeros(2, 2, device="meta"), False),
    ],
    ids=["float32", "float16", "float64", "another device"],
)
def test_only_what_the_cpu_multiplies_faster_is_laid_out_anew(weight: torch.Tensor, packs: bool) -> None:
    assert can_pack(weight) is packs


def test_a_cpu_without_the_instructions_multiplies_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    weight, x = torch.randn(4, 3), torch.randn(2, 3)
    assert not can_pack(weight)
    torch.testing.assert_close(make_linear(weight)(x), x @ weight.T)
