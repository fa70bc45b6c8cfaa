"""``dicom-node rules history | restore | replay``: which rules were in force, and what others would change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dicom_node.cli.options import Config, Json, ledger_of, registry_of, settings_of, show_json, show_table, shown

if TYPE_CHECKING:
    from dicom_node.domain.ports import Catalogue
    from dicom_node.route.replay import Decision, Difference
    from dicom_node.route.schema import RulesFile
    from dicom_node.settings import Settings
    from dicom_node.spool.kept_facts import KeptStack
    from dicom_node.spool.rules_versions import RulesVersion


def history(
    number: Annotated[int | None, typer.Argument(help="A version: show what it changed.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the rules that were in force, with when they came into force and who wrote them; or show one's changes."""
    with ledger_of(settings_of(config)) as ledger:
        known = ledger.rules.all()
        versions = known if number is None else [ledger.rules.get(number)]
    rows = [_row(version, known) for version in versions]
    if json:
        show_json([{**row, "text": each.text} for row, each in zip(rows, versions, strict=True)])
    elif number is not None:
        typer.echo("\n".join(shown(line) for line in rows[0]["diff"].splitlines()))
    else:
        columns = ("number", "published", "author", "added", "removed", "same_as")
        cells = [[version.published if name == "published" else row[name] for name in columns]
                 for version, row in zip(versions, rows, strict=True)]  # fmt: skip
        show_table(columns, cells, empty="No rules were in force yet: the node keeps them when it starts.")


def restore(
    number: Annotated[int, typer.Argument(help="As `rules history` shows it.")],
    force: Annotated[bool, typer.Option("--force", help="Also over a file that never was in force.")] = False,
    config: Config = None,
) -> None:
    """Put a version back into the rules file; a running node takes it over within seconds.

    Refused when it names what is not there any more, or when the file holds changes that were never in force.
    """
    settings = settings_of(config)
    from dicom_node.domain.clock import SystemClock
    from dicom_node.errors import NodeError
    from dicom_node.holdings import catalogue
    from dicom_node.route.live import author_of
    from dicom_node.route.loader import rules_of
    from dicom_node.spool.durable import replace_text
    from dicom_node.spool.rules_versions import digest_of

    with ledger_of(settings) as ledger:
        version = ledger.rules.get(number)
        rules_of(Path(f"version {number}"), version.text, catalogue(registry_of(settings)))
        known = {each.digest for each in ledger.rules.all()}
        held = settings.rules.read_bytes() if settings.rules.exists() else version.text.encode()
        if digest_of(held.decode("utf-8-sig", "replace")) not in known and not force:
            raise NodeError(
                f"{settings.rules} holds changes that never were in force and would be lost: "
                "copy it first, then add --force"
            )
        replace_text(settings.rules, version.text)
        ledger.rules.publish(version.text, author=author_of(settings.rules), at=SystemClock().now())
    typer.echo(f"{settings.rules}: version {number} again; a running node takes it over within seconds")


def replay(
    file: Annotated[Path, typer.Argument(help="The proposed rules.")],
    last: Annotated[int | None, typer.Option(min=1, help="How many series; without it all that are kept.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Say which of the last series other rules would have sent elsewhere than those in force would."""
    settings = settings_of(config)
    from dicom_node.holdings import catalogue
    from dicom_node.route.loader import load_rules
    from dicom_node.route.replay import difference

    known = catalogue(registry_of(settings))
    proposed = load_rules(file, known)
    with ledger_of(settings) as ledger:
        stacks = ledger.facts.last(last)
        in_force = _in_force(settings, ledger.rules.all(), known)
    found = [(stack, difference(stack.facts, in_force, proposed)) for stack in stacks]
    changed = [(stack, each) for stack, each in found if each]
    series = len({stack.series_uid for stack in stacks})
    if json:
        rows = [_changed_row(stack, each) for stack, each in changed]
        show_json({"series": series, "stacks": len(stacks), "changed": rows})
        return
    for stack, each in changed:
        _show_change(stack, each)
    typer.echo(f"{len(changed)} of {len(stacks)} stacks, of the last {series} series, would be decided otherwise")


def _row(version: RulesVersion, known: Sequence[RulesVersion]) -> dict[str, Any]:
    diff = version.difference(next((each for each in known if each.number == version.number - 1), None))
    lines = diff.splitlines()[2:]
    same = (each.number for each in known if each.digest == version.digest and each.number < version.number)
    return {
        "number": version.number, "published": version.published.isoformat(), "author": version.author,
        "digest": version.digest, "added": sum(line.startswith("+") for line in lines),
        "removed": sum(line.startswith("-") for line in lines), "same_as": next(same, None), "diff": diff,
    }  # fmt: skip


def _in_force(settings: Settings, versions: Sequence[RulesVersion], known: Catalogue) -> RulesFile:
    from dicom_node.route.loader import load_rules, rules_of

    if not versions:
        return load_rules(settings.rules, known)
    return rules_of(Path(f"version {versions[-1].number}"), versions[-1].text, known)


def _changed_row(stack: KeptStack, each: Difference) -> dict[str, Any]:
    return {
        "series_uid": stack.series_uid, "stack": stack.stack,
        "description": stack.facts.get("SeriesDescription"),
        "added": [_decision_row(decision) for decision in each.added],
        "removed": [_decision_row(decision) for decision in each.removed],
    }  # fmt: skip


def _decision_row(decision: Decision) -> dict[str, Any]:
    return {
        "rule": decision.rule, "run": decision.run, "send": [name for name, _ in decision.send], "when": decision.when,
    }  # fmt: skip


def _show_change(stack: KeptStack, each: Difference) -> None:
    described = stack.facts.get("SeriesDescription")
    typer.echo("  ".join(shown(part) for part in (stack.series_uid, stack.stack, described) if part))
    for sign, decided in (("+", each.added), ("-", each.removed)):
        for decision in decided:
            typer.echo(f"  {sign} {shown(decision)}")
