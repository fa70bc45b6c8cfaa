"""A head from a label map: read whole, upright where the sites look for it, its invented parts where they belong."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from training.simulate.head import Head
from training.simulate.labelmap import READING, VERTEX_MM, labelmap_head
from training.simulate.tissues import Tissue

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture(scope="module")
def real_head() -> Head:
    source = Path(os.environ.get("DICOM_NODE_TEST_DATA", BESIDE_THE_CHECKOUT))
    path = source / "nifti" / "labelmaps" / "synthseg_labels_01.nii.gz"
    if not path.is_file():
        pytest.skip("no label maps here: set DICOM_NODE_TEST_DATA to the folder that holds them")
    return labelmap_head(path, spacing_mm=2.0)


def _balls(folder: Path, codes: np.ndarray, axes: str = "RAS") -> Path:
    """Write a label map, given to the right, the front and up, with its axes in another order."""
    image = nibabel.Nifti1Image(codes.astype(np.int16), np.eye(4))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(axes)
    )
    path = folder / "balls.nii.gz"
    nibabel.save(image.as_reoriented(turn), path)
    return path


def _ball() -> np.ndarray:
    """Return shells of soft tissue, bone, CSF, grey and white matter in skin, with an eye in front and a spot apart."""
    at = np.stack(np.meshgrid(*(np.arange(96.0) - 46,) * 3, indexing="ij"))
    radius = np.sqrt((at**2).sum(axis=0))
    codes = np.zeros(radius.shape, int)
    for reach, code in ((44, 511), (40, 507), (32, 515), (24, 24), (22, 3), (18, 2)):
        codes[radius < reach] = code
    codes[at[1] > 0] = np.where(((at - np.array([0, 36, 0])[:, None, None, None]) ** 2).sum(axis=0) < 25, 506, codes)[
        at[1] > 0
    ]
    codes[-2:, -2:, -2:] = 507
    return codes


@pytest.fixture(scope="module")
def ball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _balls(tmp_path_factory.mktemp("ball"), _ball())


@pytest.fixture(scope="module")
def ball_head(ball: Path) -> Head:
    return labelmap_head(ball)


@pytest.mark.parametrize("axes", ["RAS", "LIA", "PSR"])
def test_the_order_of_the_axes_in_the_file_does_not_matter(tmp_path: Path, axes: str) -> None:
    codes = _ball()
    codes[50:60, 44:49, 44:49] = 10  # something that tells the right side
    head = labelmap_head(_balls(tmp_path, codes, axes))
    eye, mark = (
        (head.affine @ [*np.argwhere(head.labels == tissue).mean(axis=0), 1])[:3]
        for tissue in (Tissue.VITREOUS, Tissue.THALAMUS)
    )
    assert eye[1] < -30
    assert mark[0] < -5


def test_the_skin_ends_at_the_vertex_height_and_what_is_apart_is_left_out(ball_head: Head) -> None:
    slices = np.flatnonzero((ball_head.labels > 0).any(axis=(1, 2)))
    assert (ball_head.affine @ [slices[-1], 0, 0, 1])[2] + 0.5 == pytest.approx(VERTEX_MM)
    assert (ball_head.affine @ [slices[0], 0, 0, 1])[2] < -150  # the last slice went on as a neck
    assert not ball_head.labels[-1].any()


def test_the_skull_has_a_core_and_the_skin_has_fat_beneath(ball_head: Head) -> None:
    labels = ball_head.labels
    line = labels[labels.shape[0] - 6 - 44 - 2, labels.shape[1] // 2 :, labels.shape[2] // 2]
    order = [Tissue(int(tissue)) for tissue, before in zip(line[1:], line, strict=False) if tissue != before]
    layers = [tissue for tissue in order if tissue in (Tissue.CORTICAL_BONE, Tissue.MARROW, Tissue.SKIN)]
    assert layers == [Tissue.CORTICAL_BONE, Tissue.MARROW, Tissue.CORTICAL_BONE, Tissue.SKIN]
    assert order[-3:] == [Tissue.FAT, Tissue.SKIN, Tissue.AIR]


def test_a_coarser_head_is_the_same_head(ball: Path, ball_head: Head) -> None:
    fine, coarse = ball_head, labelmap_head(ball, spacing_mm=2.0)
    assert coarse.seed == fine.seed
    for tissue in (Tissue.WHITE_MATTER, Tissue.CORTICAL_BONE, Tissue.SKIN):
        assert coarse.millilitres(tissue) == pytest.approx(fine.millilitres(tissue), rel=0.05)
    fine_middle, coarse_middle = (
        (head.affine @ [*np.argwhere(head.labels == Tissue.WHITE_MATTER).mean(axis=0), 1])[:3]
        for head in (fine, coarse)
    )
    assert np.allclose(fine_middle, coarse_middle, atol=0.2)


@pytest.mark.parametrize("label", [777, 2035, -3])
def test_a_label_that_nobody_has_read_is_refused_by_its_number(tmp_path: Path, label: int) -> None:
    codes = _ball()
    codes[46, 46, 46] = label
    with pytest.raises(ValueError, match=str(label)):
        labelmap_head(_balls(tmp_path, codes))


def test_an_empty_label_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="empty"):
        labelmap_head(_balls(tmp_path, np.zeros((8, 8, 8), int)))


def test_no_label_is_read_twice() -> None:
    labels = [label for read in READING.values() for label in read]
    assert len(labels) == len(set(labels))


@pytest.mark.real_data
def test_a_real_label_map_gives_an_adult_upright_in_the_frame(real_head: Head) -> None:
    def centre(*tissues: Tissue) -> np.ndarray:
        return (real_head.affine @ [*np.argwhere(np.isin(real_head.labels, tissues)).mean(axis=0), 1])[:3]

    brain = (Tissue.GREY_MATTER, Tissue.WHITE_MATTER)
    assert 800 < real_head.millilitres(*brain) < 1200
    assert 8 < real_head.millilitres(Tissue.VITREOUS) < 20
    assert real_head.millilitres(Tissue.FAT) > 400
    assert np.abs(centre(*brain)[:2]).max() < 12
    assert centre(Tissue.VITREOUS)[1] < -50
    assert centre(Tissue.CEREBELLAR_CORTEX)[1] > 10
    assert centre(Tissue.CEREBELLAR_CORTEX)[2] < centre(*brain)[2] - 20
