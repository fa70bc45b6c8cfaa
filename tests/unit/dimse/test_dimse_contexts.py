from __future__ import annotations

from pydicom import uid

from dicom_node.dimse.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES


def test_every_storage_class_is_there_once() -> None:
    assert len(set(STORAGE_CLASSES)) == len(STORAGE_CLASSES) > 150
    assert {uid.MRImageStorage, uid.EnhancedMRImageStorage, uid.CTImageStorage, uid.RawDataStorage} <= set(
        STORAGE_CLASSES
    )


def test_the_default_syntax_of_the_standard_is_there() -> None:
    assert uid.ImplicitVRLittleEndian in TRANSFER_SYNTAXES


def test_no_syntax_is_deflated_or_points_elsewhere() -> None:
    assert not [syntax for syntax in TRANSFER_SYNTAXES if syntax.is_deflated or "JPIP" in syntax.name]
