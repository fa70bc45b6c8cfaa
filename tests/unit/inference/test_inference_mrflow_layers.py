"""Layers of the flow: each is undone, and its log determinant is that of its Jacobian."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inference.mrflow import spline
from inference.mrflow.coupling import AffineCoupling, Injector, SplineCoupling, Split
from inference.mrflow.flow import KINDS, Flow, FlowShape, described, read_flow
from inference.mrflow.layers import ActNorm, Mixing, squeezed, unsqueezed

CHANNELS, CONTEXT = 4, 3

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "act norm": lambda: ActNorm(CHANNELS),
    "mixing": lambda: Mixing(CHANNELS),
    "injector": lambda: Injector(CHANNELS, CONTEXT),
    "affine coupling": lambda: AffineCoupling(CHANNELS, CONTEXT, 5),
    "spline coupling": lambda: SplineCoupling(CHANNELS, CONTEXT, 5),
    "split": lambda: Split(CONTEXT, CHANNELS, 0, 5),
}
SEES_THE_CONDITION = {"injector", "affine coupling", "spline coupling", "split"}


def shaken(module: nn.Module, amount: float = 0.3) -> nn.Module:
    """Give every parameter something, in double precision: many begin as zeros."""
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(amount * torch.randn_like(parameter))
    return module


def log_det_of(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    jacobian = torch.autograd.functional.jacobian(lambda flat: function(flat.reshape(x.shape)).flatten(), x.flatten())
    return torch.linalg.slogdet(jacobian)[1]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(1)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_undone_and_tells_its_determinant(name: str) -> None:
    layer = shaken(LAYERS[name]())
    x = 1.5 * torch.randn(2, CHANNELS, 2, 3, dtype=torch.double)
    seen = (torch.randn(2, CONTEXT, 2, 3, dtype=torch.double),) if name in SEES_THE_CONDITION else ()
    y, log_det = layer(x, *seen)
    assert (y - x).abs().max() > 0.1
    torch.testing.assert_close(layer.inverse(y, *seen), x)
    for number in range(2):
        own = tuple(each[number : number + 1] for each in seen)
        expected = log_det_of(lambda one, own=own: layer(one, *own)[0], x[number : number + 1])
        torch.testing.assert_close(log_det[number], expected)


def test_squares_of_pixels_become_channels_and_pixels_again() -> None:
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    assert squeezed(x).shape == (1, 8, 2, 2)
    assert sorted(squeezed(x)[0, :4, 0, 0].tolist()) == [0, 1, 4, 5]
    torch.testing.assert_close(unsqueezed(squeezed(x)), x, rtol=0, atol=0)


def test_act_norm_is_fitted_so_that_a_batch_comes_out_standardised() -> None:
    norm, x = ActNorm(3), 7 + 5 * torch.randn(4, 3, 6, 6)
    norm.fit(x)
    y, _ = norm(x)
    torch.testing.assert_close(y.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std(dim=(0, 2, 3)), torch.ones(3))


def test_a_spline_is_monotone_the_identity_far_out_and_at_first_everywhere() -> None:
    x = torch.linspace(-5, 5, 401, dtype=torch.double)
    raw = 2 * torch.randn(1, spline.parameters(8), dtype=torch.double).expand(401, -1)
    y, log_slope = spline.spline(x, raw)
    assert (y.diff() > 0).all()
    far = x.abs() > spline.TAIL
    torch.testing.assert_close(y[far], x[far], rtol=0, atol=0)
    assert (log_slope[far] == 0).all()
    same, flat = spline.spline(x, torch.zeros_like(raw))
    torch.testing.assert_close(same, x)
    torch.testing.assert_close(flat, torch.zeros_like(x))


@pytest.mark.parametrize("coupling", KINDS)
@pytest.mark.parametrize("context", [0, 4])
def test_a_flow_is_undone_and_tells_its_determinant(coupling: str, context: int) -> None:
    flow = shaken(Flow(FlowShape(coupling, 2, 2, 6, context, (4, 5) if context else ())), 0.1)
    x = torch.rand(1, 1, 4, 4, dtype=torch.double)
    told = flow.context(x)
    latents, log_det = flow(x, told)
    assert [tuple(z.shape) for z in latents] == [(1, 2, 2, 2), (1, 8, 1, 1)]
    torch.testing.assert_close(flow.inverse(latents, told), x)
    expected = log_det_of(lambda one: torch.cat([z.flatten() for z in flow(one, told)[0]]), x)
    torch.testing.assert_close(log_det[0], expected)


@pytest.mark.parametrize("coupling", KINDS)
def test_a_whole_slice_comes_back_within_1e_4_in_single_precision(coupling: str) -> None:
    flow = Flow(FlowShape(coupling, 3, 4, 16, 8, (8, 8, 8, 8)))
    x = 2 * torch.rand(2, 1, 128, 96)
    flow.fit(x, flow.context(x))
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
        told = flow.context(x)
        latents, _ = flow(x, told)
        assert (flow.inverse(latents, told) - x).abs().max() < 1e-4


def test_a_flow_is_read_from_what_describes_it() -> None:
    shape = FlowShape("spline", 2, 1, 6, 4, (4, 5))
    flow, x = Flow(shape), torch.rand(1, 1, 8, 8)
    held = {f"a.flow.{name}": each.numpy() for name, each in flow.state_dict().items()}
    held |= {f"a.{name}": each.numpy() for name, each in described(shape).items()}
    again = read_flow(held, "a.")
    assert again.shape == shape
    for one, other in zip(again(x, again.context(x))[0], flow(x, flow.context(x))[0], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    with pytest.raises(ValueError, match="tell no flow under"):
        read_flow(held, "b.")
    del held["a.flow.levels.0.steps.0.mixing.matrix"]
    with pytest.raises(ValueError, match="not those of this flow"):
        read_flow(held, "a.")
