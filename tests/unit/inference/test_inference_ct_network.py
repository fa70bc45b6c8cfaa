"""Networks of synthetic CT: frame, sub-voxels, and models that serve them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import unet_bundle

from inference.classical.head import find_head
from inference.ct.disagreement import CHANGES
from inference.ct.frame import BRIGHTEST, FINE_MM, framed, natively
from inference.ct.hounsfield import HOUNSFIELD, OUTSIDE_HU, RANGE_HU
from inference.ct.network import NODES_HU, ResidualUnet, expected, fold, unfold
from inference.ct.slices import (
    ResnetGenerator,
    UnetGenerator,
    ct_unit,
    described,
    hounsfield_of,
    mr_unit,
    read_generator,
)  # fmt: skip
from inference.errors import ModelRefused
from inference.models.ct_slices import CtSlicesModel
from inference.models.ct_unet import CtUnetModel, read_network
from inference.volume import Volume

MANIFEST = SimpleNamespace(name="synth-ct", output=SimpleNamespace(range=RANGE_HU, unit=HOUNSFIELD))


@pytest.fixture(scope="module")
def ball() -> Volume:
    """A ball with a bright core, tilted, in voxels of 3 x 2 x 2 mm."""
    tilt = np.radians(12)
    turn = np.array([[0, 0, 1.0], [np.sin(tilt), np.cos(tilt), 0], [np.cos(tilt), -np.sin(tilt), 0]])
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array([3.0, 2.0, 2.0])
    affine[:3, 3] = turn @ np.array([-60.0, -60.0, -60.0])
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in (40, 60, 60)), indexing="ij"), axis=-1)
    away = np.linalg.norm(grid @ affine[:3, :3].T + affine[:3, 3], axis=-1)
    voxels = np.where(away < 45, 100 + 3 * np.maximum(30 - away, 0), 0).astype(np.float32)
    return Volume(voxels, affine)


def test_folding_keeps_every_voxel_in_its_block() -> None:
    voxels = torch.rand(2, 1, 4, 6, 8)
    nodes = fold(voxels)
    assert nodes.shape == (2, 8, 2, 3, 4)
    torch.testing.assert_close(nodes[0, :, 1, 2, 3].sort().values, voxels[0, 0, 2:4, 4:6, 6:8].flatten().sort().values)
    torch.testing.assert_close(unfold(nodes), voxels)


def test_the_unet_answers_in_a_patch_as_in_the_whole() -> None:
    torch.manual_seed(0)
    network = ResidualUnet((8, 8)).eval()
    torch.nn.init.normal_(network.answer.weight, std=0.1)
    whole = torch.rand(1, 1, 96, 96, 96)
    with torch.no_grad():
        of_whole = network(whole, torch.tensor([[-100.0, -30.0, -30.0]]))
        of_part = network(whole[:, :, 8:88, 8:88, 8:88], torch.tensor([[-92.0, -22.0, -22.0]]))
    middle = of_whole[..., 44:52, 44:52, 44:52]  # beyond the reach of the edges
    torch.testing.assert_close(of_part[..., 36:44, 36:44, 36:44], middle)


def test_the_widths_of_the_unet_are_read_from_its_weights() -> None:
    network = ResidualUnet((8, 16, 24))
    tensors = {f"network.{name}": tensor.numpy().astype(np.float16) for name, tensor in network.state_dict().items()}
    assert read_network(tensors).multiple == network.multiple
    with pytest.raises(ValueError, match="not those of this network"):
        read_network({name: tensor for name, tensor in tensors.items() if "down" not in name})


@pytest.mark.parametrize(("kind", "made"), [("unet", UnetGenerator), ("resnet", ResnetGenerator)])
def test_a_generator_is_read_as_it_was_written(kind: str, made: type[torch.nn.Module]) -> None:
    torch.manual_seed(0)
    generator = made(4, 3, 1, 2)
    described_by = described(kind, (4, 3, 2), (-600.0, 1400.0))
    tensors = {f"generator.{k}": v for k, v in generator.state_dict().items()} | described_by
    read, seen, window = read_generator({k: v.numpy() for k, v in tensors.items()})
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(read(image), generator(image))
    assert (seen, window) == (3, (-600.0, 1400.0))
    with pytest.raises(ValueError, match="tell no generator"):
        read_generator({"window": np.zeros(2)})


def test_units_of_generators_can_be_undone() -> None:
    hounsfield = torch.tensor([-1024.0, -600.0, 0.0, 1400.0, 3000.0])
    window = (-600.0, 1400.0)
    back = hounsfield_of(ct_unit(hounsfield, window), window)
    torch.testing.assert_close(back, hounsfield.clamp(*window), atol=1e-3, rtol=0)
    assert mr_unit(torch.tensor([0.0, 3.0])).tolist() == [-1.0, 1.0]


def test_a_voxel_is_the_mean_of_what_is_likely_there() -> None:
    likely = torch.full((1, len(NODES_HU), 8, 1, 1, 20), -50.0)
    for node, share in ((40, 0.75), (300, 0.25)):
        likely[:, NODES_HU.index(node)] = np.log(share)
    answer = expected(likely)
    assert answer.shape == (1, 8, 1, 1, 20)
    torch.testing.assert_close(answer, torch.full_like(answer, 0.75 * 0.04 + 0.25 * 0.3))


def test_what_goes_into_the_frame_comes_back_to_its_place(ball: Volume) -> None:
    seen = framed(ball, find_head(ball), (16, 16, 16))
    assert all(length % 16 == 0 for length in seen.voxels.shape)
    back = natively(seen.voxels, seen.affine, ball, outside=0.0)
    inside = ball.voxels > 105
    assert np.corrcoef(back[inside], ball.voxels[inside])[0, 1] > 0.98


def test_the_frame_knows_where_the_crown_is(ball: Volume) -> None:
    seen = framed(ball, find_head(ball), (16, 16, 16))
    top_mm = seen.corner_mm[0] + (seen.voxels.shape[0] - 1) * FINE_MM
    assert top_mm == pytest.approx(8, abs=1)
    assert seen.corner_mm[2] == pytest.approx(-(seen.voxels.shape[2] - 1) / 2, abs=4)


def test_a_volume_without_a_head_is_refused() -> None:
    nothing = Volume(np.zeros((8, 8, 8), np.float32), np.diag([3.0, 3, 3, 1]))
    with pytest.raises(ModelRefused, match="no head"):
        framed(nothing, find_head(nothing), (16, 16, 16))


def test_the_unet_gives_a_ct_on_the_grid_of_the_mr(ball: Volume) -> None:
    network = ResidualUnet((8, 8)).eval()
    bias = torch.zeros(len(NODES_HU), 8)
    bias[NODES_HU.index(300)] = 50  # sure of one node, everywhere
    network.answer.bias.data = bias.flatten()
    model = CtUnetModel(MANIFEST, network, device="cpu")
    result = model(ball).volume
    assert (result.unit, result.voxels.shape) == (HOUNSFIELD, ball.voxels.shape)
    np.testing.assert_allclose(result.voxels[ball.voxels > 105], 300, atol=1)
    assert result.voxels[0, 0, 0] == OUTSIDE_HU
    np.testing.assert_array_equal(result.voxels, model(ball).volume.voxels)
    with pytest.raises(ModelRefused, match="no target"):
        model(ball, target="other")


def test_a_generator_is_shown_each_slice_with_its_neighbours(ball: Volume) -> None:
    class Middle(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[1:] == (3, 256, 256)
            return x[:, 1:2]

    model = CtSlicesModel(MANIFEST, Middle(), seen=3, window=(-1000.0, 2000.0), device="cpu")
    result = model(ball).volume
    inside = ball.voxels > 105
    assert np.corrcoef(result.voxels[inside], ball.voxels[inside])[0, 1] > 0.98
    assert result.voxels[0, 0, 0] == OUTSIDE_HU


def test_the_unet_tells_how_far_its_answers_lie_apart(ball: Volume) -> None:
    model = CtUnetModel(MANIFEST, unet_bundle.network((4, 4)), device="cpu")
    made = model.uncertainty(ball)
    values = made.volume.voxels
    assert (made.volume.unit, values.shape, made.numbers) == (HOUNSFIELD, ball.voxels.shape, {"passes": 8})
    np.testing.assert_array_equal(made.volume.affine, ball.affine)
    assert (values[ball.voxels > 105] > 0).all()
    assert values[0, 0, 0] == 0
    np.testing.assert_array_equal(values, model.uncertainty(ball).volume.voxels)


def test_a_generator_that_sees_no_neighbours_disagrees_by_the_intensity_alone(ball: Volume) -> None:
    class Same(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    window = (-1000.0, 2000.0)
    model = CtSlicesModel(MANIFEST, Same(), seen=1, window=window, device="cpu")
    made = model.uncertainty(ball).volume.voxels
    inside = ball.voxels > 105
    of_mr = (model(ball).volume.voxels[inside] - window[0]) / (window[1] - window[0]) * BRIGHTEST
    changed = [np.minimum(each.gain * of_mr**each.gamma, BRIGHTEST) for each in CHANGES]
    expected = np.std(changed, axis=0) * (window[1] - window[0]) / BRIGHTEST
    np.testing.assert_allclose(made[inside], expected, rtol=0.05, atol=2)
    assert made[0, 0, 0] == 0
