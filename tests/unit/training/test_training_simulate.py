"""The simulator: tissues in plausible amounts, signals as physics has them, the same scan for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from training.simulate.ct import ct_scan
from training.simulate.grid import Grid, Plane
from training.simulate.head import Head, procedural_head
from training.simulate.scan import LARGEST, scan
from training.simulate.sequences import Mprage, SpoiledGradientEcho
from training.simulate.sites import SITES
from training.simulate.tissues import FieldStrength, Relaxation, Tissue, relaxation, source

INTRACRANIAL = (
    Tissue.CSF, Tissue.GREY_MATTER, Tissue.WHITE_MATTER, Tissue.STRIATUM, Tissue.PALLIDUM, Tissue.THALAMUS,
    Tissue.CEREBELLAR_CORTEX, Tissue.BRAIN_STEM,
)  # fmt: skip
GREY = (Tissue.GREY_MATTER, Tissue.STRIATUM, Tissue.THALAMUS, Tissue.CEREBELLAR_CORTEX)
COARSE = Grid("sagittal", (60, 80, 80), (3.0, 3.0, 3.0))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_head_holds_its_tissues_in_the_amounts_of_an_adult(drawn: Callable[[int, float], Head], seed: int) -> None:
    head = drawn(seed, 2.0)
    assert 1150 < head.millilitres(*INTRACRANIAL) < 1800
    assert 1.0 < head.millilitres(*GREY) / head.millilitres(Tissue.WHITE_MATTER) < 1.5
    assert 150 < head.millilitres(Tissue.CSF) < 450
    assert 3000 < head.millilitres(*(tissue for tissue in Tissue if tissue)) < 5200
    assert 0.2 < head.millilitres(*INTRACRANIAL) / head.millilitres(*(tissue for tissue in Tissue if tissue)) < 0.5
    assert 250 < head.millilitres(Tissue.CORTICAL_BONE, Tissue.MARROW) < 800
    assert 8 < head.millilitres(Tissue.VITREOUS) < 20
    assert all(head.millilitres(tissue) > 0 for tissue in Tissue if tissue is not Tissue.LESION)


def test_the_same_seed_draws_the_same_head_and_another_seed_another(
    drawn: Callable[[int, float], Head], head: Head
) -> None:
    assert np.array_equal(procedural_head(3, 2.0).labels, head.labels)
    assert not np.array_equal(drawn(1, 2.0).labels, head.labels)


def test_a_head_is_the_same_at_any_spacing(head: Head) -> None:
    fine = procedural_head(3, 1.5)
    for tissue in (Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.FAT, Tissue.MUSCLE):
        assert fine.millilitres(tissue) == pytest.approx(head.millilitres(tissue), rel=0.06)


def test_a_head_stands_upright_in_its_frame_and_does_not_touch_its_upper_side(head: Head) -> None:
    def centre(tissue: Tissue) -> np.ndarray:
        index = np.argwhere(head.labels == tissue).mean(axis=0)
        return np.asarray(head.affine @ [*index, 1])[:3]

    assert centre(Tissue.VITREOUS)[1] < centre(Tissue.THALAMUS)[1] - 40  # eyes in front: y grows to the back
    assert centre(Tissue.CEREBELLAR_CORTEX)[1] > centre(Tissue.THALAMUS)[1] + 15
    assert centre(Tissue.TOOTH)[2] < centre(Tissue.VITREOUS)[2] - 30  # z grows to the head
    assert not head.labels[-1].any()


def test_the_spoiled_gradient_echo_follows_its_equation() -> None:
    water = Relaxation(proton_density=1.0, t1_ms=1000.0, t2_star_ms=50.0, t2_ms=80.0)
    signal = SpoiledGradientEcho(repetition_ms=20, echo_ms=5, flip_deg=20).signal(water)
    # sin 20 (1 - e^-0.02) / (1 - cos 20 e^-0.02) e^-0.1
    assert signal == pytest.approx(0.34202 * 0.0198013 / 0.0789147 * 0.904837, rel=1e-4)


def test_mprage_agrees_with_magnetisation_that_is_followed_pulse_by_pulse() -> None:
    sequence = Mprage(cycle_ms=1900, inversion_ms=900, echoes=176, echo_spacing_ms=7.0, echo_ms=2.9, flip_deg=9)
    tissue = relaxation(Tissue.GREY_MATTER, "3 T")
    flip, mz, read = np.deg2rad(9), 1.0, 0.0

    def relax(m: float, ms: float) -> float:
        return float(1 + (m - 1) * np.exp(-ms / tissue.t1_ms))

    for _ in range(20):
        mz = relax(-sequence.inversion_efficiency * mz, 900 - 88 * 7)
        for echo in range(176):
            read = mz if echo == 88 else read
            mz = relax(mz * np.cos(flip), 7)
        mz = relax(mz, 1900 - 900 - 88 * 7)
    expected = tissue.proton_density * abs(read) * np.sin(flip) * np.exp(-2.9 / tissue.t2_star_ms)
    assert sequence.signal(tissue) == pytest.approx(expected, rel=1e-6)


def test_an_mprage_train_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Mprage(cycle_ms=1900, inversion_ms=500, echoes=176, echo_spacing_ms=7.0, echo_ms=2.9, flip_deg=9)


@pytest.mark.parametrize("name", SITES)
def test_t1_contrast_has_its_order_at_every_site(name: str) -> None:
    site = SITES[name]
    fat, white, thalamus, grey, csf, bone = (
        site.sequence.signal(relaxation(tissue, site.field_strength))
        for tissue in (
            Tissue.FAT, Tissue.WHITE_MATTER, Tissue.THALAMUS, Tissue.GREY_MATTER, Tissue.CSF, Tissue.CORTICAL_BONE,
        )
    )  # fmt: skip
    assert fat > white > thalamus > grey > csf > bone


@pytest.mark.parametrize("tissue", list(Tissue)[1:])
def test_t1_grows_and_t2_star_shrinks_with_field_strength_and_the_source_is_told(tissue: Tissue) -> None:
    low, high = (relaxation(tissue, field) for field in ("1.5 T", "3 T"))
    assert low.t1_ms <= high.t1_ms
    assert low.t2_star_ms >= high.t2_star_ms
    assert source(tissue)


def test_the_two_15t_sites_differ_in_contrast() -> None:
    field: FieldStrength = "1.5 T"
    ratios = [
        SITES[name].sequence.signal(relaxation(Tissue.GREY_MATTER, field))
        / SITES[name].sequence.signal(relaxation(Tissue.WHITE_MATTER, field))
        for name in ("ge-15t", "ge-15t-b")
    ]
    assert abs(ratios[0] - ratios[1]) > 0.02


@pytest.mark.parametrize("name", SITES)
def test_the_same_seed_makes_the_same_scan_and_another_seed_another(name: str, head: Head) -> None:
    first, again, other = (scan(head, SITES[name], seed=seed, grid=COARSE) for seed in (1, 1, 2))
    assert np.array_equal(first.voxels, again.voxels)
    assert not np.array_equal(first.voxels, other.voxels)
    assert first.voxels.min() >= 0
    assert first.voxels.max() <= LARGEST


def test_a_siemens_scan_has_white_matter_near_350_grey_below_fat_above_and_noise_in_air(head: Head) -> None:
    grid = Grid("axial", (60, 100, 100), (2.0, 2.0, 2.0))
    quiet = replace(SITES["siemens-3t"], gain_spread=0.0)
    volume = scan(head, quiet, seed=1, grid=grid)
    labels = _labels_on(head, grid)
    median = {tissue: float(np.median(volume.voxels[labels == tissue])) for tissue in (0, *INTRACRANIAL, Tissue.FAT)}
    assert median[Tissue.WHITE_MATTER] == pytest.approx(350, rel=0.12)
    assert median[Tissue.GREY_MATTER] < 0.85 * median[Tissue.WHITE_MATTER]
    assert median[Tissue.FAT] > 1.2 * median[Tissue.WHITE_MATTER]
    assert 0 < median[0] < 0.1 * median[Tissue.WHITE_MATTER]  # Rician: never zero


def test_noise_in_air_is_rayleigh_distributed(head: Head) -> None:
    site = replace(SITES["ge-15t-b"], gain_spread=0.0)
    corner = scan(head, site, seed=1, grid=COARSE).voxels[:4, :12, -12:] / site.white_matter
    assert corner.mean() == pytest.approx(site.noise * np.sqrt(np.pi / 2), rel=0.1)
    assert corner.std() == pytest.approx(site.noise * np.sqrt(2 - np.pi / 2), rel=0.15)


@pytest.mark.parametrize(("plane", "through"), [("axial", 2), ("coronal", 1), ("sagittal", 0)])
def test_a_grid_is_right_handed_with_its_slices_across_the_plane(plane: Plane, through: int) -> None:
    affine = Grid(plane, (10, 20, 30), (3.0, 2.0, 1.0), tilt_deg=7.0 if plane == "axial" else 0.0).affine
    slices, rows, columns = (affine[:3, axis] / np.linalg.norm(affine[:3, axis]) for axis in range(3))
    assert np.allclose(np.cross(columns, rows), slices)
    assert np.argmax(np.abs(slices)) == through


def test_ct_shows_air_fat_brain_and_bone_at_their_hounsfield_units(head: Head) -> None:
    grid = Grid("axial", (50, 100, 100), (3.0, 2.0, 2.0))
    volume = ct_scan(head, seed=1, grid=grid)
    labels = _labels_on(head, grid)
    assert volume.unit == "[hnsf'U]"
    assert np.median(volume.voxels[labels == Tissue.AIR]) == pytest.approx(-1000, abs=5)
    assert np.median(volume.voxels[labels == Tissue.WHITE_MATTER]) == pytest.approx(30, abs=6)
    assert np.median(volume.voxels[labels == Tissue.CORTICAL_BONE]) > 500
    assert np.array_equal(volume.voxels, ct_scan(head, seed=1, grid=grid).voxels)


def _labels_on(head: Head, grid: Grid) -> np.ndarray:
    """Return the label of the head's voxel nearest to each of the grid's."""
    index = np.stack([*np.indices(grid.shape), np.ones(grid.shape)]).reshape(4, -1)
    near = np.rint((np.linalg.inv(head.affine) @ grid.affine @ index)[:3]).astype(int)
    inside = ((near >= 0) & (near < np.array(head.labels.shape)[:, None])).all(axis=0)
    labels = np.zeros(near.shape[1], np.uint8)
    labels[inside] = head.labels[tuple(near[:, inside])]
    return labels.reshape(grid.shape)
