"""The page on virtual scanners: how it cuts slices, and that its table stands in it."""

from __future__ import annotations

import numpy as np
import pytest

from inference.volume import Volume
from training.simulate.grid import Grid, Plane
from training.simulate.report import PAGE, axial, main


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_an_axial_slice_shows_the_back_below_and_the_patients_left_on_the_right(plane: Plane) -> None:
    grid = Grid(plane, (40, 40, 40), (5.0, 5.0, 5.0), centre_mm=(0.0, 0.0, 0.0))
    index = np.indices(grid.shape).reshape(3, -1)
    x, y, z = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    left, back = (
        axial(Volume(np.asarray(np.exp(-distance / 200), np.float32).reshape(grid.shape), grid.affine), at_mm=(0, 0, 0))
        for distance in ((x - 40) ** 2 + y**2 + z**2, x**2 + (y - 40) ** 2 + z**2)
    )
    middle = left.shape[0] // 2
    for slice_, row, column in ((left, middle, middle + 40), (back, middle + 40, middle)):
        assert np.allclose(np.unravel_index(np.argmax(slice_), slice_.shape), (row, column), atol=3)


def test_the_page_holds_a_table_of_simulated_and_real_volumes() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert any("siemens-3t, T1" in row for row in rows)
    assert any("**real**" in row for row in rows)


def test_without_data_nothing_is_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DICOM_NODE_DATA", raising=False)
    assert main([]) == 2
    assert "--data" in capsys.readouterr().err
