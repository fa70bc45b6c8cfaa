"""Layers of the flow do what those of FrEIA do, an invertible-network library of others; it is needed here alone."""

from __future__ import annotations

import FrEIA.modules as freia
import pytest
import torch
from torch import Tensor

from inference.mrflow.coupling import FARTHEST, AffineCoupling
from inference.mrflow.layers import ActNorm, Mixing, squeezed, unsqueezed

SHAPE = (4, 6, 5)


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(2)
    return torch.randn(3, *SHAPE)


def test_act_norm(x: Tensor) -> None:
    ours, theirs = ActNorm(4), freia.ActNorm([SHAPE])
    ours.fit(x)
    (y,), log_det = theirs([x])
    told, our_log_det = ours(x)
    torch.testing.assert_close(told, y)
    torch.testing.assert_close(our_log_det, log_det)
    torch.testing.assert_close(ours.inverse(y), theirs([y], rev=True)[0][0])


def test_mixing(x: Tensor) -> None:
    ours = Mixing(4)
    matrix = ours.matrix.detach() + 0.2 * torch.randn(4, 4)
    ours.matrix.data.copy_(matrix)
    (y,), log_det = freia.Fixed1x1Conv([SHAPE], M=matrix.T)([x])
    told, our_log_det = ours(x)
    torch.testing.assert_close(told, y)
    torch.testing.assert_close(our_log_det, torch.as_tensor(log_det).expand(3), rtol=1e-4, atol=1e-4)


def test_affine_coupling_with_a_condition(x: Tensor) -> None:
    ours, context = AffineCoupling(4, 2, 5), torch.randn(3, 2, 6, 5)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))

    def in_their_terms(seen: Tensor) -> Tensor:  # they scale first and shift then; we shift first
        raw, shift = ours.network(seen).chunk(2, dim=1)
        return torch.cat([raw / FARTHEST, shift * torch.exp(FARTHEST * torch.tanh(raw / FARTHEST))], dim=1)

    theirs = freia.AffineCouplingOneSided(
        [SHAPE], [(2, 6, 5)], subnet_constructor=lambda seen, told: in_their_terms, clamp=FARTHEST,
        clamp_activation="TANH",
    )  # fmt: skip
    (y,), log_det = theirs([x], [context])
    told, our_log_det = ours(x, context)
    torch.testing.assert_close(told, y)
    torch.testing.assert_close(our_log_det, log_det)
    torch.testing.assert_close(ours.inverse(y, context), x)


def test_squares_of_pixels() -> None:
    x = torch.arange(2.0 * 2 * 4 * 6).reshape(2, 2, 4, 6)
    theirs = freia.IRevNetDownsampling([(2, 4, 6)])([x])[0][0]
    assert theirs.shape == squeezed(x).shape
    for ours_channels, their_channels in zip(squeezed(x), theirs, strict=True):  # in another order
        order = sorted(map(tuple, ours_channels.flatten(1).tolist()))
        assert order == sorted(map(tuple, their_channels.flatten(1).tolist()))
    torch.testing.assert_close(unsqueezed(squeezed(x)), x)
