"""The node's settings: `node.yaml`, over it the environment, below it the defaults."""

from dicom_node.settings.loading import load_settings
from dicom_node.settings.messages import Audit, CommitmentPeer, CommitmentSettings, PeerTls
from dicom_node.settings.node import DELIMITER, PREFIX, Settings
from dicom_node.settings.receiving import CallingAe, Limits, Listen
from dicom_node.settings.work import Completeness, Console, CountFrom, Retention

__all__ = [
    "DELIMITER",
    "PREFIX",
    "Audit",
    "CallingAe",
    "CommitmentPeer",
    "CommitmentSettings",
    "Completeness",
    "Console",
    "CountFrom",
    "Limits",
    "Listen",
    "PeerTls",
    "Retention",
    "Settings",
    "load_settings",
]
