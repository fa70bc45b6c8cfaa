from __future__ import annotations

import pytest
from pydicom import Dataset

from dicom_node.assemble.contrast import NAMES
from dicom_node.assemble.facts import _DERIVED, contrast_agent, facts_of, field_strength_t, plain
from dicom_node.assemble.geometry import PLANES
from dicom_node.assemble.vendors import VENDORS, vendor
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
        (None, "t1_mprage_sag_post", True), (None, "Ax T1 C+", True), (None, "C+ SAG T1", True), (None, "T1 +KM", True),
        (None, "t1 mit KM", True), (None, "T1 WITH CONTRAST", True), (None, "t1 con mdc", True),
        (None, "T1 post Gd", True), (None, "T1 inj", True), (None, "pre and post T1", True),
        (None, "T1 without contrast", False), (None, "T1 w/o contrast", False), (None, "t1 WO", False),
        (None, "SAG T1 PRE CONTRAST", False), (None, "T1 non-contrast", False), (None, "t1 ohne KM", False),
        (None, "t1 sem contraste", False), (None, "T1 post-op", False), (None, "T1 posterior fossa", False),
        (None, "PD+T2", False), (None, "t1 tse +csat", False),
    ],
)  # fmt: skip
def test_a_contrast_agent_is_one_that_is_named(agent, description, expected):
    assert contrast_agent({"ContrastBolusAgent": agent or "", "SeriesDescription": description}) is expected


def test_an_agent_is_known_by_the_protocol_where_the_series_has_no_name():
    assert contrast_agent({"ProtocolName": "T1 post Gd"})
    assert not contrast_agent({"ProtocolName": "Brain with contrast", "SeriesDescription": "t1"})  # of the examination


@pytest.mark.parametrize(
    "told", [{"ContrastBolusVolume": 7.5}, {"ContrastBolusTotalDose": 0.1}, {"ContrastBolusIngredient": "GADOLINIUM"}]
)
def test_an_agent_that_was_given_need_not_be_named(told):
    assert contrast_agent(told)
    assert not contrast_agent(dict.fromkeys(told, 0.0))


@pytest.mark.parametrize(("administered", "expected"), [(None, True), ("YES", True), ("NO", False)])
def test_an_agent_that_is_named_by_code_is_known(slices, frames_of, administered, expected):
    agent = Dataset()
    agent.CodeMeaning = "Gadoterate"
    images = slices(2, ContrastBolusAgentSequence=[agent])
    if administered is not None:
        for image in images:
            image.ContrastBolusAgentAdministered = administered
    assert facts_of(frames_of(images)).derived["contrast_agent"] is expected


@pytest.mark.parametrize(
    ("stated", "meaning", "expected"),
    [("", "Brain", "BRAIN"), ("", "Head and Neck", "HEAD AND NECK"), ("HEAD", "Brain", "HEAD"), ("", None, None)],
)
def test_the_body_part_is_that_of_the_anatomic_region_where_it_is_not_stated(
    slices, frames_of, stated, meaning, expected
):
    region = Dataset()
    region.CodeMeaning = meaning
    images = slices(2, BodyPartExamined=stated, AnatomicRegionSequence=[region] if meaning else [])
    assert facts_of(frames_of(images)).get("BodyPartExamined") == expected


@pytest.mark.parametrize(("unit", "expected"), [("ms", None), ("1", "T1"), ("{counts}", "T1")])
def test_an_image_that_measures_a_quantity_has_no_contrast(slices, frames_of, unit, expected):
    code, mapping = Dataset(), Dataset()
    code.CodeValue, mapping.MeasurementUnitsCodeSequence = unit, [code]
    images = slices(2, RealWorldValueMappingSequence=[mapping])
    assert facts_of(frames_of(images)).derived.get("contrast") == expected


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
    assert all(type(value) is DERIVED_FACTS[name].holds for name, value in derived.items())
    assert derived == {
        "manufacturer": "Siemens", "field_strength_t": 1.5, "slices": 3, "spacing_mm": 3.0, "in_plane_mm": 2.0,
        "orientation": "axial", "is_3d": True, "contrast": "T1", "contrast_agent": False, "is_original": True,
        "sequence_family": "SE",
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


def test_the_lists_of_values_that_rules_are_checked_against_are_those_that_are_derived():
    assert set(DERIVED_FACTS["manufacturer"].values) == set(VENDORS.values())
    assert set(DERIVED_FACTS["contrast"].values) == set(NAMES)
    assert set(DERIVED_FACTS["orientation"].values) == set(PLANES)
