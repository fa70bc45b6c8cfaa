"""What tests on the network share: pynetdicom, as their other side, is silent and closes what it opens."""

from __future__ import annotations

from dicom_node.dimse.library import prepare_library

prepare_library()
