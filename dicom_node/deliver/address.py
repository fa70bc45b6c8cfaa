"""The address of a DICOM node as an operator types it: ``AE@HOST:PORT``."""

from __future__ import annotations

import re

from dicom_node.deliver.settings import DicomDestinationSettings
from dicom_node.domain.identifiers import is_ae_title

_FORM = re.compile(r"(?P<ae_title>.+)@(?P<host>\[[0-9A-Fa-f:.]+\]|[^@:\[\]\s]+):(?P<port>[0-9]+)")


def parse_address(text: str) -> DicomDestinationSettings:
    """Return the settings of the destination that `text` names.

    Parameters
    ----------
    text
        For instance ``ORTHANC@127.0.0.1:4242``; an IPv6 address stands in brackets.

    Raises
    ------
    ValueError
        With one line that says what is wrong.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not an address: write AE@HOST:PORT, for instance ORTHANC@127.0.0.1:4242")
    ae_title, port = match["ae_title"], int(match["port"])
    if not is_ae_title(ae_title):
        raise ValueError(f"'{ae_title}' is not an AE title: 1 to 16 printable characters, no backslash")
    if not 1 <= port <= 65535:
        raise ValueError(f"{port} is not a port: 1 to 65535")
    return DicomDestinationSettings(host=match["host"].strip("[]"), port=port, ae_title=ae_title)
