"""UIDs of derived series and instances: the same work has the same UIDs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dicom_node.domain.identifiers import uid_of
from dicom_node.domain.stack import Frame


def series_uid(
    source_sop_uids: Iterable[str], digest: str, *, parameters: Mapping[str, str], kind: str, revision: int
) -> str:
    """Return the SeriesInstanceUID of what is derived from these instances in this way.

    Parameters
    ----------
    source_sop_uids
        SOPInstanceUIDs of the source, in any order; a multi-frame instance counts once.
    digest
        SHA-256 of the model's bundle.
    parameters
        What else changes the result, in any order: the target, and the label of the stack, since two stacks may lie
        in one multi-frame instance.
    kind
        What is made, for instance ``derived MR``.
    revision
        Of the source series: a replacement needs new UIDs.
    """
    settings = (f"{name}={value}" for name, value in sorted(parameters.items()))
    return uid_of("series", (kind, str(revision), digest, *settings, "of", *sorted(set(source_sop_uids))))


def instance_uid(derived_series_uid: str, frame: Frame) -> str:
    """Return the SOPInstanceUID of the image derived from `frame`."""
    return uid_of("instance", (derived_series_uid, frame.sop_instance_uid, str(frame.frame_number or 0)))


def organization_uid(derived_series_uid: str) -> str:
    """Return the DimensionOrganizationUID of the multi-frame image of a derived series."""
    return uid_of("dimension organization", (derived_series_uid,))


def plane_uid(derived_series_uid: str, number: int) -> str:
    """Return the SOPInstanceUID of the image of a derived series that stands for no frame of its source.

    Parameters
    ----------
    number
        Its InstanceNumber.
    """
    return uid_of("instance", (derived_series_uid, "plane", str(number)))
