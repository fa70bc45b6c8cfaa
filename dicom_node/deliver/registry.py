"""The kinds of destination that a rule may name: adding one is a file here and a line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from dicom_node.deliver.dicom import DicomDestination
from dicom_node.deliver.settings import DicomDestinationSettings
from dicom_node.domain.ports import Destination
from dicom_node.errors import DeliveryRefused

DESTINATION_KINDS: dict[str, type[BaseModel]] = {"dicom": DicomDestinationSettings}
"""Kind -> the model of its settings in the rules file."""

_DESTINATIONS: dict[str, Callable[[Any, str], Destination]] = {"dicom": DicomDestination}


def destination(settings: Mapping[str, Any], calling_ae: str) -> Destination:
    """Return the destination that a job's snapshot describes.

    Parameters
    ----------
    settings
        As they stand in the rules file, with ``kind``.
    calling_ae
        The node's own AE title.

    Raises
    ------
    DeliveryRefused
        When a snapshot of another version of the node cannot be understood.
    """
    kind = settings.get("kind", "")
    if kind not in DESTINATION_KINDS:
        raise DeliveryRefused(f"there is no destination of kind '{kind}', only: {', '.join(DESTINATION_KINDS)}")
    try:
        return _DESTINATIONS[kind](DESTINATION_KINDS[kind].model_validate(dict(settings)), calling_ae)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DeliveryRefused(f"destination of kind '{kind}': {where}: {first['msg']}") from None
