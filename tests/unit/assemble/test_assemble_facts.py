from __future__ import annotations

import pytest
from pydicom import Dataset

from dicom_node.assemble.facts import _DERIVED, contrast_agent, facts_of, field_strength_t, plain
from dicom_node.assemble.vendors import vendor
from dicom_node.domain.facts import DERIVED_FACTS


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("SIEMENS", "Siemens"), ("Siemens Healthineers", "Siemens"), ("GE MEDICAL SYSTEMS", "GE"),
        ("GE Medical Systems", "GE"), ("Philips", "Philips"), ("Philips Medical Systems, Inc.", "Philips"),
        ("Philips Healthcare", "Philips"), ("TOSHIBA", "Toshiba"), ("TOSHIBA_MEC", "Toshiba"),
        ("CANON_MEC", "Canon"), ("UIH", "UIH"), ("HITACHI", "Hitachi"), ("FUJIFILM", "Fujifilm"),
        ("General Electric", "GE"), ("BIOLAB", None), ("GEORGE", None), ("not SIEMENS", None), ("", None),
    ],
)  # fmt: skip
def test_a_spelling_names_its_vendor_and_an_unknown_one_nobody(spelling, expected):
    assert vendor(spelling) == expected


@pytest.mark.parametrize(
    ("value", "tesla"), [(1.5, 1.5), (15000, 1.5), (1.4939999580383, 1.4939999580383), (0, None), ("high", None)]
)
def test_field_strength_is_in_tesla_whatever_the_scanner_wrote(value, tesla):
    assert field_strength_t({"MagneticFieldStrength": value}) == tesla


def test_an_absent_field_strength_stays_unknown():
    assert field_strength_t({}) is None


@pytest.mark.parametrize(
    ("agent", "description", "expected"),
    [
        ("Gadovist", "t1", True), ("", "t1 +C", True), (None, "T1_POST_GD", True), (None, "t1 mprage", False),
        ("NONE", "t1", False), (None, "ax grace t1 face", False),
    ],
)  # fmt: skip
def test_a_contrast_agent_is_one_that_is_named(agent, description, expected):
    assert contrast_agent({"ContrastBolusAgent": agent or "", "SeriesDescription": description}) is expected


def test_header_values_are_plain_and_empty_and_binary_ones_left_out():
    header = Dataset()
    header.SeriesDescription, header.EchoTime, header.Rows = " t1 ", "12.5", 4
    header.ImageType, header.StudyDescription, header.PixelData = ["ORIGINAL", "PRIMARY"], "", b"\0\0"
    header.add_new(0x00091001, "LO", "private")
    assert plain(header) == {
        "SeriesDescription": "t1",
        "EchoTime": 12.5,
        "Rows": 4,
        "ImageType": ("ORIGINAL", "PRIMARY"),
        "(0009,1001)": "private",
    }


def test_every_documented_fact_is_derived_and_of_its_type(slices, frames_of):
    images = slices(3, Manufacturer="SIEMENS", MagneticFieldStrength="15000", MRAcquisitionType="3D")
    derived = facts_of(frames_of(images)).derived
    assert set(_DERIVED) == set(DERIVED_FACTS)
    assert all(type(value) is DERIVED_FACTS[name][0] for name, value in derived.items())
    assert derived == {
        "manufacturer": "Siemens", "field_strength_t": 1.5, "slices": 3, "spacing_mm": 3.0, "in_plane_mm": 2.0,
        "orientation": "axial", "is_3d": True, "contrast": "T1", "contrast_agent": False, "is_original": True,
    }  # fmt: skip


def test_a_missing_slice_does_not_change_the_spacing(slices, frames_of):
    images = slices(8)
    del images[3]
    assert facts_of(frames_of(images)).derived["spacing_mm"] == pytest.approx(3)


@pytest.mark.parametrize(
    ("cosines", "plane"),
    [([1, 0, 0, 0, 0.9, -0.436], "axial"), ([0, 1, 0, 0, 0, -1], "sagittal"), ([1, 0, 0, 0, 0, -1], "coronal")],
)
def test_orientation_is_the_closest_anatomical_plane(slices, frames_of, cosines, plane):
    assert facts_of(frames_of(slices(2, ImageOrientationPatient=cosines))).derived.get("orientation") == plane
