"""The rules file as a JSON Schema (2020-12), by which editors complete keys and underline mistakes.

It knows the shape, the operators of each kind of key, and the values of facts. What only the node knows (its models and
targets, which rules hide each other) `rules check` tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydicom.datadict import dictionary_is_retired, dictionary_VR, keyword_dict

from dicom_node.domain.facts import DERIVED_FACTS, Fact
from dicom_node.route.clauses import NESTING
from dicom_node.route.keys import KIND_OF_VR, Kind, key_of
from dicom_node.route.operators import OPERATORS
from dicom_node.route.schema import RulesFile

GROUPS = (0x0008, 0x0010, 0x0018, 0x0020, 0x0028)
"""Groups of the dictionary whose keywords are completed; those of the others are taken too."""

_TEXT, _NUMBER = {"type": "string"}, {"type": ["number", "string"]}  # with a unit, or in quotes
_VALUES: Mapping[Kind, dict[str, Any]] = {
    Kind.TEXT: _TEXT, Kind.NUMBER: _NUMBER, Kind.OPEN: _NUMBER,
    Kind.FLAG: {"enum": [True, False, "yes", "no", "on", "off"]},
    Kind.DATE: {"type": ["string", "integer"]}, Kind.TIME: _TEXT, Kind.MOMENT: _TEXT, Kind.AGE: _TEXT,
}  # fmt: skip
_NAMES = {kind: kind.name.capitalize() + "Clause" for kind in Kind}


def json_schema(kinds: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the schema of a rules file.

    Parameters
    ----------
    kinds
        Kind of destination -> the model of its settings.
    """
    schema = RulesFile.model_json_schema()
    schema["properties"]["destinations"]["additionalProperties"] = {"$ref": "#/$defs/Destination"}
    schema["$defs"]["Rule"]["properties"]["when"] = {"$ref": "#/$defs/When"}
    _, settings = models_json_schema([(model, "validation") for model in kinds.values()])
    names = [{"$ref": f"#/$defs/{model.__name__}"} for model in kinds.values()]
    schema["$defs"] |= settings["$defs"] | {"Destination": {"anyOf": names}, "When": _when()}
    schema["$defs"] |= {_NAMES[kind]: _clause(kind) for kind in Kind}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "routing_rules.yaml"}


def _when() -> dict[str, Any]:
    facts = {name: _fact(name, fact) for name, fact in DERIVED_FACTS.items()}
    any_key = {"anyOf": [{"$ref": f"#/$defs/{_NAMES[kind]}"} for kind in Kind]}
    nested: dict[str, Any] = {"$ref": "#/$defs/When"}
    lists = {name: {"type": "array", "minItems": 1, "items": nested} for name in NESTING if name != "not"}
    return {
        "description": "Clauses, all of which must be met; {} is met by everything.",
        "type": "object",
        "properties": {**lists, "not": nested, **facts, **dict(_keywords())},
        "patternProperties": {r"^([A-Z][A-Za-z0-9]*|\(.*\))(\..+)?$": any_key},
        "additionalProperties": False,
    }


def _keywords() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the keywords of the dictionary that can be asked, each with its kind."""
    for keyword, tag in keyword_dict.items():
        if keyword and tag >> 16 in GROUPS and not dictionary_is_retired(tag) and dictionary_VR(tag) in KIND_OF_VR:
            yield keyword, {"$ref": f"#/$defs/{_NAMES[KIND_OF_VR[dictionary_VR(tag)]]}"}


def _fact(name: str, fact: Fact) -> dict[str, Any]:
    description = f"{fact.meaning}; from {fact.computed}"
    kind = key_of(name).kind
    if not fact.values:
        return {"description": description, "$ref": f"#/$defs/{_NAMES[kind]}"}
    return {"description": description, **_clause(kind, value={"enum": list(fact.values)})}


def _clause(kind: Kind, *, value: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what may stand under a key of a kind: a value, a list of values, or operators."""
    value = value or _VALUES[kind]
    values = {"type": "array", "minItems": 1, "items": value}
    operands: dict[str, dict[str, Any]] = {
        "one_of": values, "between": {**values, "minItems": 2, "maxItems": 2}, "contains": _TEXT, "matches": _TEXT,
        "present": _VALUES[Kind.FLAG], "missing": {"enum": [*_VALUES[Kind.FLAG]["enum"], "any"]},
    }  # fmt: skip
    operators = {
        name: {"description": row.meaning, **operands.get(name, value)}
        for name, row in OPERATORS.items()
        if kind in row.kinds
    }
    asked = {"type": "object", "minProperties": 1, "properties": operators, "additionalProperties": False}
    return {"anyOf": [value, values, asked]}
