"""Sites beyond the four: 2D slices, copies, transmit fields, unseen protocols, random ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.random_site import random_site
from training.simulate.scan import resampled, scan, slice_profile
from training.simulate.signal import flip_off, levels
from training.simulate.sites import SITES, Ghosting, TransmitField
from training.simulate.tissues import Tissue
from training.simulate.truth import scan_with_truth
from training.simulate.unseen import UNSEEN

COARSE = Grid("sagittal", (60, 80, 80), (3.0, 3.0, 3.0))
QUIET = replace(SITES["siemens-3t"], noise=0.0, gain_spread=0.0)


def _coarser(grid: Grid) -> Grid:
    slices, rows, columns = grid.shape
    through, down, across = grid.spacing_mm
    return replace(grid, shape=(slices, rows // 3, columns // 3), spacing_mm=(through, 3 * down, 3 * across))


@pytest.mark.parametrize("name", UNSEEN)
def test_an_unseen_site_scans_and_is_none_of_the_four(name: str, head: Head) -> None:
    site = UNSEEN[name]
    assert name not in SITES
    grid = _coarser(site.grid)
    first, again = (scan(head, site, seed=2, grid=grid) for _ in range(2))
    assert first.voxels.shape == grid.shape
    assert np.array_equal(first.voxels, again.voxels)
    assert first.voxels.min() >= 0


def test_unseen_sites_show_four_contrasts() -> None:
    assert {site.contrast for site in UNSEEN.values()} == {"T1", "T2", "PD", "FLAIR"}


def test_random_sites_are_reproducible_and_show_t1() -> None:
    sites = [random_site(np.random.default_rng(seed)) for seed in range(40)]
    assert sites[7] == random_site(np.random.default_rng(7))
    assert len({site.sequence for site in sites}) == 40
    assert {site.field_strength for site in sites} == {"1.5 T", "3 T"}
    assert any(site.grid.thickness_mm for site in sites)
    for site in sites:
        signals = levels(site)
        assert signals[Tissue.WHITE_MATTER] > signals[Tissue.GREY_MATTER] > signals[Tissue.CSF]


def test_a_random_site_scans(head: Head) -> None:
    volume = scan(head, random_site(np.random.default_rng(5)), seed=1, grid=COARSE)
    assert volume.voxels.std() > 0


@pytest.mark.parametrize("thickness_mm", [1.0, 3.0, 5.0, 6.0])
def test_a_slice_profile_is_as_wide_as_the_slice_and_sums_to_one(thickness_mm: float) -> None:
    profile = slice_profile(thickness_mm, 6.0)
    offsets, weights = np.array(profile).T
    assert weights.sum() == pytest.approx(1)
    assert (weights * offsets).sum() == pytest.approx(0, abs=1e-9)
    assert np.abs(offsets).max() * 6.0 == pytest.approx(thickness_mm / 2, rel=0.5)
    assert np.diff(offsets).max() * 6.0 <= 1.5


def test_a_thin_plate_is_seen_by_the_slice_that_holds_it_and_lost_in_a_gap() -> None:
    grid = Grid("axial", (5, 4, 4), (10.0, 4.0, 4.0), centre_mm=(0.0, 0.0, 0.0), thickness_mm=6.0)
    affine = np.array([[0, 0, 1.0, -10], [0, 1.0, 0, -10], [1.0, 0, 0, -25], [0, 0, 0, 1]])

    def seen(z_mm: int) -> np.ndarray:
        plate = np.zeros((51, 21, 21), np.float32)
        plate[z_mm + 25] = 1.0
        return resampled(plate, affine, grid, blur=1.0)[:, 2, 2]

    assert seen(0)[2] == pytest.approx(1 / 6, rel=0.35)
    assert np.allclose(seen(0)[[0, 1, 3, 4]], 0)
    assert np.allclose(seen(5), 0)  # between two slices


def test_ghosts_are_copies_of_the_head_in_the_air(head: Head) -> None:
    with_ghosts = replace(QUIET, ghosting=Ghosting(strength=0.05, shift=0.25, axis="rows"))
    clean, dirty = (scan(head, site, seed=1, grid=COARSE).voxels for site in (QUIET, with_ghosts))
    air = clean < 1.0
    shifted = np.roll(clean, 20, 1) + np.roll(clean, -20, 1)
    assert dirty[air].max() > 5
    assert np.corrcoef(dirty[air], shifted[air])[0, 1] > 0.9
    assert np.abs(dirty - clean).max() < 0.15 * clean.max()


def test_a_nominal_transmit_field_changes_nothing_and_a_weak_rim_changes_contrast(head: Head) -> None:
    even, weak = TransmitField(1.0, 0.0, 0.0), TransmitField(1.0, -0.25, 0.0)
    plain, nominal, changed = (
        scan(head, replace(QUIET, transmit_field=field), seed=1, grid=COARSE).voxels for field in (None, even, weak)
    )
    assert np.allclose(plain, nominal, rtol=1e-5)
    middle = (slice(28, 32), slice(30, 34), slice(38, 42))
    assert np.allclose(changed[middle], plain[middle], rtol=0.02)
    assert np.abs(changed / np.maximum(plain, 1) - 1)[plain > 100].max() > 0.1


def test_the_transmit_field_is_centred_on_the_head(head: Head) -> None:
    off = flip_off(head, TransmitField(1.1, -0.2, 0.0), np.random.default_rng(0))
    middle = tuple(np.rint(np.linalg.inv(head.affine) @ [0, 0, 0, 1])[:3].astype(int))
    assert off[middle] == pytest.approx(0.1, abs=0.002)
    assert off.max() == off[middle]


def test_second_order_in_the_flip_angle_is_near_the_sequence_itself(head: Head) -> None:
    field = TransmitField(centre=1.12, rim=0.0, random=0.0)
    site = UNSEEN["ge-3t-spgr"]
    exact, scanned = (
        scan(
            head, replace(site, noise=0.0, gain_spread=0.0, sequence=sequence, transmit_field=used), seed=1, grid=COARSE
        )
        for sequence, used in ((site.sequence.flipped(1.12), None), (site.sequence, field))
    )
    tissue = exact.voxels > 200
    ratio = scanned.voxels[tissue] / exact.voxels[tissue]  # white matter is 1 in the one, off in the other
    assert ratio.std() / ratio.mean() < 0.03


def test_known_scans_hold_what_the_image_is_made_of(head: Head) -> None:
    known = scan_with_truth(head, QUIET, seed=4, grid=COARSE)
    assert np.array_equal(known.volume.voxels, scan(head, QUIET, seed=4, grid=COARSE).voxels)
    assert np.allclose(known.signal * known.gain, known.volume.voxels, rtol=1e-5)
    assert known.inside[known.labels > 0].all()
    white = known.signal[known.labels == Tissue.WHITE_MATTER]
    assert np.median(white) == pytest.approx(QUIET.white_matter, rel=0.12)


def test_the_four_sites_scan_procedural_heads_as_they_always_did(head: Head) -> None:
    """Shipped landmarks were learned from such scans: a change here asks for learning them anew."""
    means = {
        name: float(scan(head, site, seed=1, grid=COARSE).voxels.mean(dtype=np.float64)) for name, site in SITES.items()
    }
    assert means == pytest.approx(MEANS, rel=1e-3)


MEANS = {"philips-3t": 280.479, "ge-15t": 205.16, "ge-15t-b": 179.545, "siemens-3t": 123.725}
"""Mean of a scan at 3 mm: their bits are the same too, but only on one kind of processor."""
