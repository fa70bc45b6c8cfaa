"""Statistics of head volumes: what is put into a scan is found in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.volume import Volume
from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.scan import scan
from training.simulate.sites import SITES, ReceiveField
from training.simulate.statistics import Statistics, statistics

GRID = Grid("sagittal", (60, 86, 86), (3.0, 3.0, 3.0))
EVEN = replace(SITES["siemens-3t"], receive_field=ReceiveField(rim=0.0, random=0.0, reach_mm=1e6), noise=0.02)


@pytest.fixture(scope="module")
def even_scan(head: Head) -> Volume:
    return scan(head, EVEN, seed=1, grid=GRID)


@pytest.fixture(scope="module")
def even(even_scan: Volume) -> Statistics:
    return statistics(even_scan)


@pytest.fixture(scope="module")
def uneven(head: Head) -> Statistics:
    field = ReceiveField(rim=0.35, random=0.0, reach_mm=120)
    return statistics(scan(head, replace(EVEN, receive_field=field, noise=0.06), seed=1, grid=GRID))


def test_noise_is_measured_in_the_air(even: Statistics, uneven: Statistics) -> None:
    assert even.noise == pytest.approx(0.02, rel=0.15)
    assert uneven.noise == pytest.approx(0.06, rel=0.25)  # its field moves the white matter that it is given against


def test_a_field_is_seen_and_an_even_coil_too(even: Statistics, uneven: Statistics) -> None:
    assert even.field < 0.06
    assert uneven.field > 2 * even.field


def test_the_classes_of_t1_are_csf_grey_and_white_matter(even: Statistics) -> None:
    assert (np.diff(even.deep) > 0).all()
    assert even.classes[0] < 0.5 < even.classes[1] < 0.85  # CSF and grey matter against white
    assert even.width < 0.1


def test_where_the_scanner_stores_no_noise_none_is_told(even_scan: Volume) -> None:
    masked = even_scan.with_voxels(np.where(even_scan.voxels < 40, np.float32(0), even_scan.voxels))
    assert statistics(masked).noise is None
