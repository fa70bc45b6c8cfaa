"""Writes what comes from the code: parts of node-yaml.md and command-line.md, and routing_rules.schema.json.

``python docs/reference/generate.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from dicom_node.cli import app
from dicom_node.deliver.registry import DESTINATION_KINDS
from dicom_node.route.json_schema import json_schema
from dicom_node.settings import DELIMITER, PREFIX, Settings

FOLDER = Path(__file__).parent
WIDTH = 100
"""Columns of the help texts."""

MEANINGS = {
    "ae_title": "The node's own AE title. It answers to no other, and calls itself so where a destination names none.",
    "listen.host": "Address to listen on: that of one network card, or `0.0.0.0` for all of them.",
    "listen.port": "Port to listen on; `0` takes a free one. Those below 1024, 104 among them, need a privilege.",
    "listen.processes": "How many processes receive. More than one is refused, in this version.",
    "listen.tls.certificate": "Certificate of the node, PEM, with it: TLS 1.2 or newer and nothing else on that port. "
    "SIGHUP reads it again.",
    "listen.tls.key": "Its key, PEM, without a password.",
    "listen.tls.client_ca": "Who must have signed what a sender shows, PEM. Empty: a sender need show nothing.",
    "listen.limits.associations": "Associations at once; one more is told to come later.",
    "listen.limits.associations_per_peer": "The same, from one address.",
    "listen.limits.pdu_bytes": "What senders are told they may send in one PDU.",
    "listen.limits.instance_gib": "Longest image; a sender of a longer one is cut off.",
    "listen.limits.request_s": "From connection to whole association request, TLS included.",
    "listen.limits.pdu_s": "For one PDU, from its first byte to its last.",
    "listen.limits.idle_s": "An association on which nothing comes for so long is ended.",
    "listen.limits.association_s": "An association that lasts longer is ended.",
    "calling_ae": "Who may send: `any`, or a list of `ae_title` and, if wanted, `hosts` (names, addresses, networks).",
    "data_dir": "Where spool, ledger and derived series lie. On a disk that keeps what it was told to sync.",
    "database_url": "The ledger, as an SQLAlchemy URL. Empty: SQLite in `data_dir`; nothing else was tested.",
    "rules": "The rules file. It is read again when it changes.",
    "completeness.settle_s": "How long nothing may have come before geometry or a count is believed. Empty: "
    "learned for each sender.",
    "completeness.settle_min_s": "The shortest time that is learned; the longest, and that of a new sender, is "
    "`silence_s`.",
    "completeness.silence_s": "How long nothing may have come before a series is taken as it is.",
    "completeness.late": "What an instance does that comes after its series was complete.",
    "completeness.count_from.host": "Of a PACS to which the scanners send the same series; it is asked by C-FIND "
    "how many instances it has. Without this none is asked.",
    "completeness.count_from.port": "Its DICOM port.",
    "completeness.count_from.ae_title": "Its AE title. It must let the node's `ae_title` ask.",
    "infer.executor": "Where models run: on this machine.",
    "infer.device": "`auto` (the first graphics card if there is one), `cpu`, or `cuda:0` and so on.",
    "infer.timeout_s": "A model that takes longer is killed.",
    "infer.attempts": "How often a job is tried whose model breaks or takes too long, before it is FAILED.",
    "infer.models": "Folders with bundles of your own, beside those that come with the node.",
    "infer.targets": "Folder of the targets that `models target add` makes. Empty: `targets` in `data_dir`.",
    "deliver.retry_first_s": "How long to wait after a destination could not take a series; twice as long each time.",
    "deliver.retry_max_s": "The longest such wait. There is no last attempt.",
    "derived.ct_intercept_hu": "What a stored 0 means in a derived CT, HU. Lower than -1024 leaves room below air.",
    "derived.ct_kvp": "KVP of derived CT, kV, for systems that refuse an empty one. There was no tube.",
    "derived.series_number_offset": "Added to the source's SeriesNumber; then the next that is free in the study.",
    "console.host": "Address of `/healthz`, `/readyz` and `/metrics`.",
    "console.port": "Port of these; `0` takes a free one.",
    "retention.keep_days": "How long the images of a finished series stay here. Its line in the ledger stays.",
    "retention.min_free_gib": "With less free space nothing is received (status A700), and `/readyz` says so.",
    "retention.facts_series": "On how many series `rules replay` can try other rules; none beyond `keep_days`.",
    "commitment.accept": "Whether requests for storage commitment are taken. The node is no archive.",
    "commitment.peers": "Where requestors take reports: a list of `ae_title`, `host`, `port` (104 if not said) and, "
    "where they take them over TLS, `tls`: `{ca_file, certificate, key}`, PEM, each optional.",
    "commitment.port": "Port of a requestor that is not in `peers` and whose association has ended.",
    "commitment.wait_s": "How long instances are waited for that a request names and that are not here yet.",
    "commitment.retry_first_s": "How long to wait after a report was not taken; twice as long each time.",
    "commitment.retry_max_s": "The longest such wait.",
    "commitment.give_up_days": "How long after a request its report is tried.",
    "mpps.accept": "Whether performed procedure steps are taken.",
    "audit.to": "Where audit messages go. The ledger has every association, whatever stands here.",
    "audit.file": "The file for them, one a line.",
    "audit.host": "Of the syslog receiver.",
    "audit.port": "Of the syslog receiver.",
    "audit.tls": "Whether it is spoken to over TLS; without, only on a network where that is acceptable.",
    "audit.ca_file": "Who must have signed its certificate, PEM. Empty: one of those that the system trusts.",
    "audit.certificate": "Certificate to show it, PEM; with its key in `key`.",
    "audit.key": "Key of the certificate, PEM, without a password.",
    "audit.keep_days": "How long the ledger remembers associations.",
    "log.format": "One JSON object a line, or text for people; on standard error.",
    "log.level": "The least that is logged.",
}
"""Key -> what it is; every key of the settings has one, or nothing is written."""


def settings_table() -> str:
    """Return all keys of node.yaml as a Markdown table."""
    schema = Settings.model_json_schema()
    rows = ["| Key, environment variable | Takes | Default | What it is |", "| --- | --- | --- | --- |"]
    keys = dict(_keys(schema, schema["properties"], ""))
    for key in keys.keys() | MEANINGS.keys():
        if key not in keys or key not in MEANINGS:
            raise ValueError(f"MEANINGS and the settings do not agree on '{key}'")
    for key, field in keys.items():
        variable = PREFIX + key.upper().replace(".", DELIMITER)
        rows.append(f"| `{key}`<br>`{variable}` | {_takes(field)} | `{_default(field)}` | {MEANINGS[key]} |")
    return "\n".join(rows)


def commands_help() -> str:
    """Return the help of every command, each under a heading."""
    return "\n\n".join(
        f"## {name}\n\n```\n{help_text}\n```"
        for name, help_text in _helps(typer.main.get_command(app), None, "dicom-node")
    )


PAGES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "node-yaml.md": ("settings", settings_table),
    "command-line.md": ("commands", commands_help),
}


SCHEMA = FOLDER / "routing_rules.schema.json"


def schema_text() -> str:
    """Return the JSON Schema of routing_rules.yaml, for editors."""
    return json.dumps(json_schema(DESTINATION_KINDS), indent=1, ensure_ascii=False) + "\n"


def page(name: str, text: str) -> str:
    """Return a page with what stands between its markers made anew."""
    marker, make = PAGES[name]
    marked = re.compile(rf"(<!-- {marker}:begin -->\n).*?(<!-- {marker}:end -->)", re.DOTALL)
    if not marked.search(text):
        raise ValueError(f"{name} has no markers for {marker}")
    made = make()
    return marked.sub(lambda found: f"{found[1]}\n{made}\n\n{found[2]}", text)


def _keys(schema: Mapping[str, Any], fields: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in fields.items():
        reference = next((each["$ref"] for each in (field, *field.get("anyOf", ())) if "$ref" in each), None)
        if reference is not None:
            part = schema["$defs"][reference.rpartition("/")[2]]
            yield from _keys(schema, part["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _takes(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{each}`" for each in field["enum"])
    if "anyOf" in field or "oneOf" in field:
        return " or ".join(_takes(each) for each in (field.get("anyOf") or field["oneOf"]))
    kinds = {"integer": "a whole number", "number": "a number", "array": "a list", "string": "text", "null": "nothing"}
    kinds["boolean"] = "`true` or `false`"
    kind = "a path" if field.get("format") == "path" else kinds[field["type"]]
    return ", ".join([kind, *_bounds(field)])


def _bounds(field: Mapping[str, Any]) -> Iterator[str]:
    words = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}
    return (f"{word} {field[bound]:g}" for bound, word in words.items() if bound in field)


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default", "needed")
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def _helps(command: Any, parent: Any, name: str) -> Iterator[tuple[str, str]]:
    context = command.context_class(command, parent, name, terminal_width=WIDTH, color=False)
    if not hasattr(command, "commands"):
        yield context.command_path, command.get_help(context).strip()
    else:
        for each, below in command.commands.items():
            yield from _helps(below, context, each)


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    for name in PAGES:
        target = FOLDER / name
        target.write_text(page(name, target.read_text(encoding="utf-8")), encoding="utf-8")
