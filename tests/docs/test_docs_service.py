"""The files of deploy/systemd fit the node that they start."""

from __future__ import annotations

import configparser
from pathlib import Path

from dicom_node.settings import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy" / "systemd"


def test_the_settings_of_the_service_are_settings() -> None:
    settings = load_settings(DEPLOY / "node.yaml")
    assert settings.data_dir == Path("/var/lib/dicom-node")
    assert settings.rules == DEPLOY / "routing_rules.yaml"


def test_the_unit_keeps_the_data_where_the_settings_say_and_leaves_the_ending_to_the_node() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "dicom-node.service")
    service = unit["Service"]
    assert Path("/var/lib") / service["StateDirectory"] == load_settings(DEPLOY / "node.yaml").data_dir
    assert service["KillMode"] == "mixed"
    assert float(service["TimeoutStopSec"]) > 10
    assert " serve --config " in service["ExecStart"]
