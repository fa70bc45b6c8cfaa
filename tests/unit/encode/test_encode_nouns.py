"""UIDs, stored pixels, dates and the series description, each by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from pydicom import Dataset

from dicom_node.domain.provenance import StoredScale
from dicom_node.domain.stack import Stack
from dicom_node.encode.pixels import to_stored
from dicom_node.encode.uids import series_uid

MakeStack = Callable[..., Stack]
Work = dict[str, object]

WORK: Work = {
    "source_sop_uids": ["1.2.1", "1.2.2"], "digest": "ab", "parameters": {"target": "siemens-3t", "stack": ""},
    "kind": "derived MR", "revision": 1,
}  # fmt: skip


def uid(**changes: object) -> str:
    work = WORK | changes
    return series_uid(work.pop("source_sop_uids"), work.pop("digest"), **work)  # type: ignore[arg-type]  # a table of arguments


def test_the_same_work_has_the_same_uid_in_whatever_order_it_came() -> None:
    assert uid() == uid(source_sop_uids=["1.2.2", "1.2.1", "1.2.2"])
    assert uid() == uid(parameters={"stack": "", "target": "siemens-3t"})
    assert uid().startswith("2.25.")


@pytest.mark.parametrize("change", [
    {"source_sop_uids": ["1.2.1"]}, {"digest": "cd"}, {"parameters": {"target": "ge-3t", "stack": ""}},
    {"kind": "synthetic CT"}, {"revision": 2},
])  # fmt: skip
def test_other_work_has_another_uid(change: Work) -> None:
    assert uid() != uid(**change)


def test_values_are_scaled_rounded_and_clipped_and_the_clipped_are_counted() -> None:
    voxels = np.array([[[-0.001, 0.0, 0.0004, 1.2346, 4.095, 4.0951, 4.2]]], dtype=np.float32)
    stored, clipped = to_stored(voxels, StoredScale(1000, 1, 1))
    assert stored.tolist() == [[[0, 0, 0, 1235, 4095, 4095, 4095]]]
    assert stored.dtype == np.uint16
    assert clipped == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        to_stored(np.full((1, 1, 1), value, dtype=np.float32), StoredScale(1, 1, 1))


def test_stored_pixels_are_those_of_the_file(
    make_stack: MakeStack, derive_first: Callable[..., Dataset], scale: StoredScale
) -> None:
    image = derive_first(make_stack())
    expected = np.rint(np.random.default_rng(0).random((3, 4, 5), dtype=np.float32) * 1000.0)[0]
    assert np.array_equal(image.pixel_array, expected)
    assert (image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation) == (16, 12, 11, 0)
    assert "RescaleSlope" not in image


def test_dates_are_utc_where_the_source_declares_no_offset(
    make_stack: MakeStack, derive_first: Callable[..., Dataset]
) -> None:
    image = derive_first(make_stack())
    assert "TimezoneOffsetFromUTC" not in image
    assert (image.SeriesDate, image.ContentDate, image.InstanceCreationDate) == ("20261121",) * 3
    assert (image.SeriesTime, image.ContentTime, image.InstanceCreationTime) == ("233000.000000",) * 3


def test_dates_are_told_in_the_offset_that_the_source_declares(
    make_stack: MakeStack, derive_first: Callable[..., Dataset]
) -> None:
    def declare(header: Dataset) -> None:
        header.TimezoneOffsetFromUTC = "+0100"

    image = derive_first(make_stack(declare), derived_at=datetime(2026, 11, 21, 23, 30, 0, 5, UTC))
    assert image.TimezoneOffsetFromUTC == "+0100"
    assert (image.SeriesDate, image.SeriesTime) == ("20261122", "003000.000005")
    assert image.StudyTime == "030405"


@pytest.mark.parametrize("offset", ["", "CET", "+9999"])
def test_an_offset_that_is_none_is_left_out(
    make_stack: MakeStack, derive_first: Callable[..., Dataset], offset: str
) -> None:
    def declare(header: Dataset) -> None:
        header.TimezoneOffsetFromUTC = offset

    image = derive_first(make_stack(declare))
    assert "TimezoneOffsetFromUTC" not in image
    assert image.SeriesDate == "20261121"


def test_description_says_research_first_and_then_the_source(
    make_stack: MakeStack, derive_first: Callable[..., Dataset]
) -> None:
    assert derive_first(make_stack()).SeriesDescription == "RESEARCH harmonization siemens-3t | t1 mprage"


def test_description_shows_that_the_gate_warned(make_stack: MakeStack, derive_first: Callable[..., Dataset]) -> None:
    image = derive_first(make_stack(), warnings=("gradients differ",))
    assert image.SeriesDescription == "RESEARCH harmonization siemens-3t CHECK | t1 mprage"


def test_description_never_exceeds_64_characters_and_keeps_the_warning(
    make_stack: MakeStack, derive_first: Callable[..., Dataset]
) -> None:
    def lengthen(header: Dataset) -> None:
        header.SeriesDescription = "t1 " * 20

    image = derive_first(make_stack(lengthen), target="x" * 70, warnings=("w",))
    assert len(image.SeriesDescription) == 64
    assert image.SeriesDescription.endswith(" CHECK")
    assert len(derive_first(make_stack(lengthen)).SeriesDescription) <= 64


def test_description_without_a_target_names_the_model(
    make_stack: MakeStack, derive_first: Callable[..., Dataset]
) -> None:
    image = derive_first(make_stack(), target=None)
    assert image.SeriesDescription.startswith("RESEARCH harmonization harmonize-nyul |")
