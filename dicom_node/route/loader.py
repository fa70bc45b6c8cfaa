"""Rules files, read from disk and checked against what the node has."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dicom_node.domain.ports import Catalogue
from dicom_node.located_yaml import FileRefused, fit, parsed, text_of
from dicom_node.route.schema import Names, Rule, RulesFile, Run


def load_rules(path: Path, catalogue: Catalogue) -> RulesFile:
    """Read a rules file.

    Raises
    ------
    FileRefused
        When anything in it is wrong; its `problems` hold a line for each mistake.
    """
    return rules_of(path, text_of(path), catalogue)


def rules_of(path: Path, text: str, catalogue: Catalogue) -> RulesFile:
    """Read the text of a rules file as `load_rules` does; `path` is for the messages."""
    data = parsed(path, text)
    return fit(path, data, RulesFile, context=Names.of(catalogue, data))


def check(path: Path, catalogue: Catalogue) -> list[str]:
    """Return every mistake in a rules file, one line each: ``file:line: key: what is wrong``."""
    try:
        load_rules(path, catalogue)
    except FileRefused as refusal:
        return list(refusal.problems)
    return []


def printed(rules: RulesFile) -> str:
    """Return rules as the text of a file that loads as the same, with every default written out."""
    written = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # its stub knows None alone
    yaml.allow_unicode = True
    yaml.dump(rules.model_dump(mode="json", exclude_none=True), written)
    return written.getvalue()


def snapshot(rule: Rule, run: Run, rules: RulesFile) -> dict[str, Any]:
    """Return the rule with one of what it runs, its destinations and window: a job keeps them whatever comes later.

    Returns
    -------
    JSON types: ``{"rule": …, "destinations": {name: settings}, "window": text or None}``.
    """
    alone = rule.model_copy(update={"run": (run,)})
    destinations = {name: rules.destinations[name].model_dump(mode="json") for name in rule.send}
    window = None if rule.during is None else str(rules.windows[rule.during].window)
    return {"rule": alone.model_dump(mode="json"), "destinations": destinations, "window": window}
