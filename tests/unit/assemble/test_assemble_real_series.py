"""Every real series: what it is found to hold. Where a row changes, docs and rules that rest on it change with it."""

from __future__ import annotations

import runpy
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from highdicom.legacy import LegacyConvertedEnhancedMRImage
from highdicom.spatial import get_volume_positions
from pydicom import dcmread

from dicom_node.assemble.collector import Collector
from dicom_node.assemble.completeness import shape_of
from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.gate import refusal, series_refusal
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.cli.folders import SeriesOnDisk

pytestmark = pytest.mark.real_data

PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "assembly.md"


class Row(NamedTuple):
    frames: int
    stacks: int
    contrast: str | None
    manufacturer: str | None
    field_strength_t: float | None
    verdict: str | tuple[int, int, int]


TILTED = (
    "the slices are shifted sideways, by up to 18.5 degrees off their normal (gantry tilt or shear); "
    "the slices are unevenly spaced, 1.08 to 7.00 mm apart"
)

TABLE = {
    "siemens_skyra3t_t1mprage_child": Row(192, 1, "T1", "Siemens", 3, (192, 256, 256)),
    "philips_ingenia3t_t1mprage_classic": Row(170, 1, "T1", "Philips", 3, (170, 256, 256)),
    "siemens_prisma3t_xa30_t1tfl_enhanced": Row(96, 1, "T1", "Siemens", 3, (96, 128, 128)),
    "siemens_prisma3t_xa30_t1tfl_enhanced_norm": Row(96, 1, "T1", "Siemens", 3, (96, 128, 128)),
    "ge_signa15t_fse_pd": Row(20, 1, "PD", "GE", 1.5, (20, 256, 256)),
    "toshiba_galan3t_dti_ortho": Row(520, 13, "DIFFUSION", "Toshiba", 3, (40, 64, 64)),
    "philips_ingenia3t_phantom_t1ffe_classic": Row(24, 1, "T1", "Philips", 3, (24, 256, 256)),
    "philips_ingenia3t_phantom_t1ffe_enhanced": Row(24, 1, "T1", "Philips", 3, (24, 256, 256)),
    "converted_nifti2dicom_t1_hanke": Row(384, 1, "T1", None, None, (384, 384, 274)),
    "ct_ge_hispeed_head_tilt": Row(28, 1, None, "GE", None, TILTED),
}


@cache
def frames_in(folder: Path):
    contents = [read_frames(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    return tuple(frame for content in contents for frame in content.frames)


def test_the_table_has_every_series(real_series):
    assert set(TABLE) == {folder.name for folder in real_series.iterdir()}


@pytest.mark.parametrize("name", TABLE)
def test_a_series_is_what_the_table_says(real_series, name):
    frames = frames_in(real_series / name)
    assert series_refusal(frames) is None
    stacks = split(frames)
    first = stacks[0]
    volume = None if refusal(first) else read_volume(first)
    verdict = refusal(first) if volume is None else volume.voxels.shape
    facts = [first.facts.derived.get(key) for key in ("contrast", "manufacturer", "field_strength_t")]
    assert Row(len(frames), len(stacks), *facts, verdict) == TABLE[name]
    assert {(refusal(stack), stack.facts.get("contrast")) for stack in stacks} == {(refusal(first), facts[0])}
    if volume is not None:
        assert_in_slice_order(first, volume, within_mm=1.5 if name.startswith("ge_") else 1e-3)


def assert_in_slice_order(stack, volume, *, within_mm):
    """Slice k is frame k for highdicom and for the affine; GE's slices lean, 1.3 mm in 133 mm."""
    positions = [[float(x) for x in frame.header.ImagePositionPatient] for frame in stack.frames]
    orientation = [float(x) for x in stack.frames[0].header.ImageOrientationPatient]
    assert get_volume_positions(positions, orientation, rtol=0.02)[1] == list(range(len(positions)))
    along = volume.affine @ np.array([[k, 0, 0, 1] for k in range(len(positions))]).T
    assert np.abs(along[:3].T - positions).max() < within_mm


def test_the_series_without_jitter_pass_highdicoms_own_tolerance_and_ge_does_not(real_series):
    for name, passes in (("ge_signa15t_fse_pd", False), ("siemens_skyra3t_t1mprage_child", True)):
        headers = [frame.header for frame in frames_in(real_series / name)]
        spacing, _ = get_volume_positions([h.ImagePositionPatient for h in headers], headers[0].ImageOrientationPatient)
        assert (spacing is not None) is passes


def test_the_dti_series_is_b_0_and_twelve_directions(real_series):
    stacks = split(frames_in(real_series / "toshiba_galan3t_dti_ortho"))
    assert [stack.label.split(",")[0] for stack in stacks] == ["DiffusionBValue=none"] + ["DiffusionBValue=1500"] * 12
    assert stacks[1].label == "DiffusionBValue=1500, DiffusionGradientOrientation=-0.4452\\-0.8954\\0"
    assert {len(stack.frames) for stack in stacks} == {40}


def test_philips_values_are_scaled_slice_by_slice(real_series):
    stack = split(frames_in(real_series / "philips_ingenia3t_phantom_t1ffe_enhanced"))[0]
    image = dcmread(stack.frames[0].path)
    stored = image.pixel_array
    voxels = read_volume(stack).voxels
    for k, frame in enumerate(stack.frames):
        groups = image.PerFrameFunctionalGroupsSequence[frame.frame_number - 1]
        scale = groups.PixelValueTransformationSequence[0]
        expected = stored[frame.frame_number - 1] * float(scale.RescaleSlope) + float(scale.RescaleIntercept)
        assert np.allclose(voxels[k], expected, rtol=1e-6)


def test_the_two_phantom_series_lie_on_one_grid_and_are_two_scans(real_series):
    names = ("philips_ingenia3t_phantom_t1ffe_classic", "philips_ingenia3t_phantom_t1ffe_enhanced")
    classic, enhanced = (read_volume(split(frames_in(real_series / name))[0]) for name in names)
    assert classic.affine == pytest.approx(enhanced.affine, abs=1e-6)
    assert np.corrcoef(classic.voxels.ravel(), enhanced.voxels.ravel())[0, 1] > 0.99
    assert not np.array_equal(classic.voxels / classic.voxels.max(), enhanced.voxels / enhanced.voxels.max())


@pytest.mark.filterwarnings("ignore")  # highdicom quotes what is unusual in the source
def test_a_series_converted_to_one_enhanced_object_is_the_same_volume_voxel_by_voxel(real_series, tmp_path):
    (classic,) = split(frames_in(real_series / "philips_ingenia3t_phantom_t1ffe_classic"))
    sources = [dcmread(frame.path) for frame in classic.frames]
    multi = LegacyConvertedEnhancedMRImage(sources, "1.2.826.1", 1, "1.2.826.2", 1)
    multi.save_as(tmp_path / "enhanced.dcm")
    (enhanced,) = split(read_frames(tmp_path / "enhanced.dcm").frames)
    one, other = read_volume(classic), read_volume(enhanced)
    assert np.array_equal(one.voxels, other.voxels)
    assert np.array_equal(one.affine, other.affine)


@pytest.mark.parametrize("name", TABLE)
def test_when_a_series_is_known_to_be_complete(real_series, name):
    shape = shape_of(frames_in(real_series / name))
    multi_frame = name.endswith(("_enhanced", "_norm"))
    assert (shape.whole is not None) is multi_frame
    assert (shape.gapless is None) is (name == "ct_ge_hispeed_head_tilt")
    assert (shape.counted is not None) is name.startswith("philips")


@pytest.mark.parametrize("name", TABLE)
def test_the_page_of_real_series_says_what_they_are(real_series, name):
    made = runpy.run_path(str(PAGE.with_name("generate.py")))
    series = SeriesOnDisk("", split(frames_in(real_series / name)), None)
    assert made["row"](f"dicom/{name}", series) in PAGE.read_text(encoding="utf-8")


def test_the_ge_series_does_not_complete_while_it_comes(real_series, clock):
    paths = sorted((real_series / "ge_signa15t_fse_pd").iterdir())
    collector = Collector(clock, settle_s=2, silence_s=30)
    for n in range(1, len(paths) + 1):
        collector.observe("ge", paths[:n], sender_connected=False)
        clock.advance(seconds=1.5)
        assert collector.closed() == []
    clock.advance(seconds=0.5)
    assert collector.closed()[0].evidence == "one stack of 20 slices without a gap, and nothing came for 2 s"


def test_raw_data_beside_an_enhanced_image_keeps_it_from_nothing(real_series, clock):
    folder = real_series / "philips_ingenia3t_phantom_t1ffe_enhanced"
    collector = Collector(clock, settle_s=2, silence_s=30)
    collector.observe("p", [path for path in folder.rglob("*") if path.is_file()], sender_connected=True)
    (closed,) = collector.closed()
    assert closed.evidence == "one multi-frame instance holds its 24 images"
    assert closed.set_aside == ("Raw Data is set aside: volumes are made of MR, CT and PET images",)
    assert closed.broken == ()
