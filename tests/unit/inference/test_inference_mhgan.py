"""The multi-harmonization GAN as a model: sites, references and stored styles as targets, the scan's own grid."""

from __future__ import annotations

import hashlib
from pathlib import Path

import mhgan_bundle
import numpy as np
import phantom
import pytest
from safetensors.numpy import load_file, save
from scipy import ndimage

from inference.bundle import open_bundle
from inference.classical.head import find_head
from inference.errors import BundleRefused, ModelRefused
from inference.look import TOP, look_of, profile
from inference.mhgan.native import natively
from inference.mhgan.networks import STYLE
from inference.mhgan.sight import CLIP, Sight, counted, normalised, sight_of, span
from inference.mhgan.style import Style, mean_style, styles_in
from inference.mhgan.volumes import in_style
from inference.models.mhgan import MhGanModel, load
from inference.registry import Registry
from inference.volume import Volume
from inference.worker import Worker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mhgan_bundle.write(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def model(folder: Path) -> MhGanModel:
    return load(open_bundle(folder), device="cpu")


@pytest.fixture(scope="module")
def scan() -> Volume:
    return phantom.head((4.0, 3.0, 3.0), phantom.SAGITTAL)


@pytest.fixture(scope="module")
def sight(scan: Volume) -> Sight:
    return sight_of(scan)


def _plain(sight: Sight, *, floor: float | None = None, noise: float = 1.0) -> Style:
    """Return a style of no code."""
    return Style(np.zeros(STYLE, np.float32), sight.floor if floor is None else floor, noise)


def test_the_head_is_seen_at_mean_0_with_a_known_spread_whatever_its_scale(scan: Volume, sight: Sight) -> None:
    inside = sight.voxels[sight.head.inside]
    assert abs(inside.mean()) < 0.01
    assert inside.std() == pytest.approx(1 / CLIP, rel=0.02)
    assert sight.voxels.min() >= -1
    louder = sight_of(scan.with_voxels(scan.voxels * np.float32(7)))
    np.testing.assert_allclose(louder.voxels, sight.voxels, atol=1e-5)


def test_what_lies_beyond_the_clip_is_shown_at_it() -> None:
    voxels = np.zeros(1001, np.float32)
    voxels[0] = 1000
    shown, _, _ = normalised(voxels, np.ones(1001, bool))
    assert shown[0] == 1


def test_what_was_not_changed_comes_back_as_it_was_but_for_its_scale(scan: Volume, sight: Sight) -> None:
    voxels, numbers = natively(sight.voxels, sight, scan, _plain(sight))
    factor = TOP / sight.head.profile_of(sight.head.voxels).anchor
    np.testing.assert_allclose(voxels, scan.voxels * factor, atol=2.0)
    assert numbers == {"gain": pytest.approx(1, abs=0.01), "air": 1}


def test_detail_that_is_finer_than_the_frame_stays() -> None:
    fine = phantom.head((1.0, 1.0, 1.0), noise=5)
    fine.voxels[:, ::2, :] *= 1.04  # stripes of one voxel
    seen = sight_of(fine)
    smooth = seen.voxels * np.float32(0.8) + np.float32(0.1)
    voxels, _ = natively(smooth, seen, fine, _plain(seen, floor=seen.floor * 0.8 + 0.1))
    middle = (slice(100, 130), slice(100, 130), slice(80, 110))
    contrast = [v[middle][:, 1::2].mean() / v[middle][:, ::2].mean() for v in (voxels, fine.voxels)]
    assert contrast[0] == pytest.approx(contrast[1], abs=0.003)


def test_noise_in_the_air_comes_down_to_that_of_the_style_and_never_goes_up() -> None:
    noisy = phantom.head((3.0, 3.0, 3.0), noise=20)
    marker = (slice(4, 8), slice(4, 8), slice(4, 8))
    noisy.voxels[marker] = 900
    seen = sight_of(noisy)
    half, louder = (natively(seen.voxels, seen, noisy, _plain(seen, noise=factor * seen.noise)) for factor in (0.5, 2))
    assert (half[1]["air"], louder[1]["air"]) == (pytest.approx(0.5), 1)
    before, after = louder[0], half[0]
    air = ~ndimage.binary_dilation(find_head(noisy).inside, iterations=6)
    air[marker] = False
    np.testing.assert_allclose(after[air], before[air] / 2, rtol=0.02, atol=0.5)
    inside = find_head(noisy).inside
    np.testing.assert_array_equal(after[inside], before[inside])
    np.testing.assert_array_equal(after[marker], before[marker])  # what is as bright as tissue is no noise


def test_air_that_the_scanner_made_black_stays_black() -> None:
    masked = phantom.head((3.0, 3.0, 3.0), noise=5)
    masked.voxels[~find_head(masked).inside] = 0
    seen = sight_of(masked)
    assert seen.noise == 0
    voxels, numbers = natively(seen.voxels, seen, masked, _plain(seen, noise=0.1))
    assert numbers["air"] == 1
    assert (voxels[masked.voxels == 0] == 0).all()


def test_beyond_the_frame_a_change_goes_on_by_intensity() -> None:
    head = phantom.head((3.0, 3.0, 3.0), noise=0)
    middle = len(head.voxels) // 2
    below = np.repeat(head.voxels[middle : middle + 1], 70, axis=0)  # more than 200 mm of the same
    affine = head.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (middle - 70)
    scan = Volume(np.concatenate([below, head.voxels[middle:]]), affine)
    seen = sight_of(scan)
    bent = seen.voxels + np.float32(0.3) * seen.voxels**2
    voxels, _ = natively(np.where(seen.head.inside, bent, seen.voxels), seen, scan, _plain(seen))
    framed, beyond = voxels[60], voxels[2]
    np.testing.assert_array_equal(scan.voxels[60], scan.voxels[2])
    tissue = ndimage.binary_erosion(scan.voxels[2] > 100)
    assert np.abs(framed[tissue] - beyond[tissue]).max() < 0.1 * TOP
    assert np.abs(framed[tissue] - beyond[tissue]).mean() < 0.02 * TOP


def test_a_style_changes_a_head_and_another_style_changes_it_otherwise(model: MhGanModel, scan: Volume) -> None:
    before = scan.voxels.copy()
    one, other = (model(scan, target=site).volume for site in mhgan_bundle.SITES)
    again = model(scan, target=mhgan_bundle.SITES[0]).volume
    np.testing.assert_array_equal(one.voxels, again.voxels)
    np.testing.assert_array_equal(scan.voxels, before)
    assert one.voxels.shape == scan.voxels.shape
    np.testing.assert_array_equal(one.affine, scan.affine)
    assert np.abs(one.voxels - other.voxels).mean() > 0.5
    assert profile(one).anchor == pytest.approx(TOP, rel=0.03)


def test_a_stored_style_is_as_good_as_the_site_that_it_is_of(model: MhGanModel, scan: Volume) -> None:
    named = model(scan, target="siemens-3t").volume.voxels
    np.testing.assert_array_equal(model(scan, target=mhgan_bundle.style(1)).volume.voxels, named)


def test_a_reference_gives_one_style_that_hardly_depends_on_its_grid(model: MhGanModel, scan: Volume) -> None:
    read, coarser = model.style_of(scan), model.style_of(phantom.head((4.0, 4.0, 4.0)))
    darker = model.style_of(phantom.head((4.0, 3.0, 3.0), phantom.SAGITTAL, gamma=2))
    assert read.floor == pytest.approx(sight_of(scan).floor)
    assert np.abs(read.code - coarser.code).mean() < 0.5 * np.abs(read.code - darker.code).mean()
    assert np.isfinite(model(scan, target=read).volume.voxels).all()


def test_a_flat_slice_at_the_end_of_a_head_does_not_spoil_it(sight: Sight) -> None:
    weights = counted(sight.head.inside, 0)
    first, end = span(sight.head.inside, 0)
    assert (weights[first:end] > 0.99).all()
    assert weights.min() < 0.01
    generator, _ = mhgan_bundle.networks()
    made = in_style(generator, sight, mhgan_bundle.style(0), device="cpu")
    assert np.abs(made - sight.voxels)[sight.head.inside].max() < 0.2


def test_a_look_is_no_style_and_an_unknown_target_is_refused(model: MhGanModel, scan: Volume) -> None:
    with pytest.raises(ModelRefused, match="takes no looks"):
        model(scan, target=look_of([scan], contrast="T1"))
    with pytest.raises(ModelRefused, match="no target 'canon'"):
        model(scan, target="canon")


def test_styles_are_stored_with_their_black_and_their_mean_is_one() -> None:
    style = mhgan_bundle.style(3)
    read = styles_in(style.tensors("a.b"))["a.b"]
    np.testing.assert_array_equal(read.code, style.code)
    assert read.floor == pytest.approx(style.floor)
    mean = mean_style([style, Style(3 * style.code, style.floor, 3 * style.noise)])
    np.testing.assert_allclose(mean.numbers, [style.floor, 2 * style.noise, *(2 * style.code)], rtol=1e-6)


@pytest.mark.parametrize(
    ("leave_out", "words"),
    [
        ("style.ge-15t", "no style"),
        ("encoded.ge-15t", "every site"),
        ("sizes", "sizes"),
        ("generator.give.bias", "not"),
    ],
)
def test_weights_that_lack_something_are_refused(tmp_path: Path, leave_out: str, words: str) -> None:
    folder = mhgan_bundle.write(tmp_path)
    path = folder / "weights.safetensors"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(save({name: each for name, each in load_file(path).items() if name != leave_out}))
    manifest = folder / "model.yaml"
    manifest.write_text(manifest.read_text().replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))
    with pytest.raises(BundleRefused, match=words):
        load(open_bundle(folder), device="cpu")


def test_the_worker_runs_it(folder: Path, scan: Volume, tmp_path: Path) -> None:
    np.save(tmp_path / "input.npy", scan.voxels)
    answer = Worker([folder.parent], "cpu").answer({
        "id": 1, "model": mhgan_bundle.NAME, "digest": Registry([folder.parent]).get(mhgan_bundle.NAME).digest,
        "target": "siemens-3t", "scratch": str(tmp_path), "affine": scan.affine.tolist(), "unit": "1", "limit_s": 60,
    })  # fmt: skip
    assert answer["ok"], answer
    assert {"gain", "change"} <= answer["numbers"].keys()
    assert np.load(tmp_path / "output.npy").shape == scan.voxels.shape
