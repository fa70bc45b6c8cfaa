"""Equipment: whose work the derived image is, and whose before (PS3.3 C.7.5.1, C.12.1)."""

from __future__ import annotations

from highdicom import ContributingEquipment
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes

from dicom_node.domain.provenance import MANUFACTURER, MODEL_NAME, Provenance
from dicom_node.encode.dates import acquired_at
from dicom_node.encode.modules import EQUIPMENT_KEYWORDS
from dicom_node.encode.verbatim import copy, copy_item, declare_little_endian, text

UNKNOWN = "unknown"


def add_equipment(image: Dataset, source: Dataset, provenance: Provenance) -> None:
    """Add this node as the equipment, and the chain of those that contributed.

    Earlier entries are kept, then come the equipment of the source and this node.

    Parameters
    ----------
    image
        Already holds the acquisition's date and time.
    source
        As `read_common` gives it.
    """
    image.Manufacturer = MANUFACTURER
    image.ManufacturerModelName = MODEL_NAME
    image.SoftwareVersions = _versions(provenance)
    image.DeviceSerialNumber = provenance.serial_number
    earlier = [copy_item(item) for item in source.get("ContributingEquipmentSequence") or ()]
    image.ContributingEquipmentSequence = [*earlier, _scanner(image, source), _node(provenance)]


def _scanner(image: Dataset, source: Dataset) -> Dataset:
    # highdicom's for_image_acquisition would decode the text and refuse a header without a manufacturer
    item = Dataset(parent_encoding=source.original_character_set)
    declare_little_endian(item, source)
    copy(source, item, EQUIPMENT_KEYWORDS)
    if not text(item, "Manufacturer"):
        item.Manufacturer = UNKNOWN
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.AcquisitionEquipment)]
    moment = acquired_at(image)
    if moment is not None:
        item.ContributionDateTime = moment
    return item


def _node(provenance: Provenance) -> Dataset:
    item: Dataset = ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=MODEL_NAME,
        software_versions=_versions(provenance),
        device_serial_number=provenance.serial_number,
        contribution_datetime=provenance.derived_at,
        contribution_description=f"{provenance.task} by {provenance.model} {provenance.model_version}",
    )
    return item


def _versions(provenance: Provenance) -> list[str]:
    return [f"{MODEL_NAME} {provenance.node_version}", f"{provenance.model} {provenance.model_version}"]
