from __future__ import annotations

import pytest

from dicom_node.assemble.contrast import ALLOWED_PHYSICS, NAMES, contrast

T1_SE = {"ScanningSequence": "SE", "EchoTime": 12.0, "RepetitionTime": 500.0}
T2_SE = {"ScanningSequence": "SE", "EchoTime": 100.0, "RepetitionTime": 4000.0}
PD_SE = {"ScanningSequence": "SE", "EchoTime": 15.0, "RepetitionTime": 3000.0}
FLAIR = {"ScanningSequence": ("SE", "IR"), "EchoTime": 120.0, "RepetitionTime": 9000.0, "InversionTime": 2500.0}
MPRAGE = {"ScanningSequence": ("GR", "IR"), "EchoTime": 2.5, "RepetitionTime": 2000.0, "InversionTime": 900.0}
SPGR = {"ScanningSequence": "GR", "EchoTime": 3.0, "RepetitionTime": 8.0, "FlipAngle": 20.0}
T2_STAR = {"ScanningSequence": "GR", "EchoTime": 25.0, "RepetitionTime": 600.0, "FlipAngle": 20.0}
EPI = {"ScanningSequence": ("SE", "EP"), "EchoTime": 79.0, "RepetitionTime": 10000.0}


@pytest.mark.parametrize(
    ("description", "physics", "expected"),
    [
        ("", T1_SE, "T1"), ("", T2_SE, "T2"), ("", PD_SE, "PD"), ("", FLAIR, "FLAIR"), ("", MPRAGE, "T1"),
        ("", SPGR, "T1"), ("", T2_STAR, None), ("", EPI, None), ("", {}, None),
        ("SAG MPRAGE 220 FOV", MPRAGE, "T1"), ("anat-T1w", {}, "T1"), ("FSE PD AXIAL OBL", PD_SE, "PD"),
        ("t2_tse_tra", T2_SE, "T2"), ("AX T2 FLAIR", FLAIR, "FLAIR"), ("t2_tirm_tra_dark-fluid", FLAIR, "FLAIR"),
        ("T1 FLAIR", MPRAGE, "T1"), ("DTI ortho", EPI, "DIFFUSION"), ("ep2d_diff_b1000", EPI, "DIFFUSION"),
        ("SWI Images", {**T2_STAR}, "SWI"), ("TOF_3D_multi-slab", SPGR, "ANGIO"), ("ep2d_bold_rest", EPI, "FUNCTIONAL"),
        ("dsc perf", EPI, "PERFUSION"), ("PD+T2", PD_SE, "PD"), ("PD+T2", T2_SE, "T2"),
        ("PD+T2", {}, None), ("T2 STIR", {**FLAIR, "InversionTime": 150.0}, None), ("STUPID T15 PDQ", {}, None),
    ],
)  # fmt: skip
def test_name_and_timing_settle_the_contrast(description, physics, expected):
    assert contrast({"Modality": "MR", "SeriesDescription": description, **physics}) == expected


@pytest.mark.parametrize(("description", "physics"), [("t1", T2_SE), ("t2", T1_SE), ("FLAIR", T1_SE), ("pd", FLAIR)])
def test_a_name_that_the_timing_contradicts_is_not_believed(description, physics):
    assert contrast({"Modality": "MR", "SeriesDescription": description, **physics}) is None


@pytest.mark.parametrize(
    "description", ["T1 map", "T2*", "ADC map", "FA", "T1 subtraction", "t1_mp2rage_sag_INV1", "t1_mp2rage_T1_Images"]
)
def test_maps_have_no_contrast(description):
    assert contrast({"Modality": "MR", "SeriesDescription": description, **T1_SE}) is None


@pytest.mark.parametrize(
    "kind",
    [
        ("ORIGINAL", "PRIMARY", "P", "ND"),
        ("ORIGINAL", "PRIMARY", "PHASE MAP", "P"),
        ("DERIVED", "PRIMARY", "T1 MAP", "DIS3D"),
        ("DERIVED", "PRIMARY", "T1", "T1_MAP"),
        ("DERIVED", "PRIMARY", "M", "SUB"),
        ("DERIVED", "PRIMARY", "DIXON", "FAT"),
        ("ORIGINAL", "PRIMARY", "F", "F", "FFE"),
        ("DERIVED", "PRIMARY", "T1", "SUBTRACTION"),
    ],
)
def test_phase_images_maps_and_differences_have_not_the_contrast_of_their_magnitude(kind):
    assert contrast({"Modality": "MR", "SeriesDescription": "t1", "ImageType": kind, **T1_SE}) is None


@pytest.mark.parametrize(("kind", "expected"), [(0, "T1"), (1, None), (2, None), (3, None)])
def test_ge_tells_phase_real_and_imaginary_images_by_a_private_element(kind, expected):
    header = {"Modality": "MR", "SeriesDescription": "t1", "(0043,0010)": "GEMS_PARM_01", "(0043,102f)": kind, **SPGR}
    assert contrast(header) == expected
    assert contrast({**header, "(0043,0010)": "SOMEONE ELSE"}) == "T1"


def test_an_angiogram_is_none_by_the_name_t1():
    assert contrast({"Modality": "MR", "SeriesDescription": "t1_fl3d", "AngioFlag": "Y", **SPGR}) is None
    assert contrast({"Modality": "MR", "SeriesDescription": "t1_fl3d", "AngioFlag": "N", **SPGR}) == "T1"


def test_the_description_speaks_before_the_protocol():
    names = {"SeriesDescription": "AX T2", "ProtocolName": "Brain T1 T2 FLAIR DWI"}
    assert contrast({"Modality": "MR", **names, **T2_SE}) == "T2"


def test_what_the_enhanced_object_declares_outweighs_its_timing():
    assert contrast({"Modality": "MR", "AcquisitionContrast": "FLUID_ATTENUATED", **T2_SE}) == "FLAIR"
    assert contrast({"Modality": "MR", "AcquisitionContrast": "UNKNOWN", **T2_SE}) == "T2"


def test_a_b_value_is_diffusion_and_b_0_of_another_series_is_not():
    assert contrast({"Modality": "MR", "DiffusionBValue": 1000.0, **EPI}) == "DIFFUSION"
    assert contrast({"Modality": "MR", "SeriesDescription": "ADNI MPRAGE", "DiffusionBValue": 0.0, **SPGR}) == "T1"


def test_ct_has_no_mr_contrast():
    assert contrast({"Modality": "CT", "SeriesDescription": "t1"}) is None


def test_every_name_says_which_timing_it_allows():
    assert set(NAMES) == set(ALLOWED_PHYSICS)
