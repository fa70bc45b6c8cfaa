"""Rules files, read from disk and checked against what the node has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dicom_node.domain.ports import Catalogue
from dicom_node.located_yaml import FileRefused, fit, read
from dicom_node.route.schema import Names, Rule, RulesFile


def load_rules(path: Path, catalogue: Catalogue) -> RulesFile:
    """Read a rules file.

    Raises
    ------
    FileRefused
        When anything in it is wrong; its `problems` hold a line for each mistake.
    """
    data = read(path)
    return fit(path, data, RulesFile, context=Names.of(catalogue, data))


def check(path: Path, catalogue: Catalogue) -> list[str]:
    """Return every mistake in a rules file, one line each: ``file:line: key: what is wrong``."""
    try:
        load_rules(path, catalogue)
    except FileRefused as refusal:
        return list(refusal.problems)
    return []


def snapshot(rule: Rule, rules: RulesFile) -> dict[str, Any]:
    """Return the rule and the settings of its destinations, which a job keeps whatever the file says later.

    Returns
    -------
    JSON types: ``{"rule": …, "destinations": {name: settings}}``.
    """
    destinations = {name: rules.destinations[name].model_dump(mode="json") for name in rule.send}
    return {"rule": rule.model_dump(mode="json"), "destinations": destinations}
