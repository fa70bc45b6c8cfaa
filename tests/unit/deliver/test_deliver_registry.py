from __future__ import annotations

from typing import Any

import pytest

from dicom_node.deliver.dicom import DicomDestination
from dicom_node.deliver.registry import DESTINATION_KINDS, destination
from dicom_node.errors import DeliveryRefused

PACS = {"kind": "dicom", "host": "127.0.0.1", "port": 4242, "ae_title": "ORTHANC"}


def test_a_snapshot_becomes_its_destination() -> None:
    assert isinstance(destination(PACS, "HARMONIZE"), DicomDestination)


def test_every_kind_names_itself_in_its_settings() -> None:
    for kind, settings in DESTINATION_KINDS.items():
        assert settings.model_fields["kind"].default == kind


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "fax"}, "no destination of kind 'fax', only: dicom"),
        ({"port": 0}, "port: Input should be greater than or equal to 1"),
        ({"host": ""}, "host: "),
        ({"ae_title": "A\\B"}, "ae_title: .*no backslash"),
        ({"calling_ae": "A_TITLE_TOO_LONG_1"}, "calling_ae: .*1 to 16"),
        ({"tls": True}, "tls: Extra inputs are not permitted"),
    ],
)
def test_a_snapshot_that_cannot_be_understood_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(DeliveryRefused, match=says):
        destination({**PACS, **changes}, "HARMONIZE")
