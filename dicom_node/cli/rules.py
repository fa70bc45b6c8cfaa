"""``dicom-node rules``: check a rules file, and ask what it would do with a series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dicom_node.cli.options import Config, Json, example, registry_of, settings_of, show_json, show_left_out, shown
from dicom_node.cli.rules_versions import history, replay, restore
from inference.output import Output

if TYPE_CHECKING:
    from dicom_node.cli.folders import SeriesOnDisk
    from dicom_node.route.schema import RulesFile
    from inference.registry import Registry

app = typer.Typer(help="Check the routing rules, and ask what they would do with a series.", no_args_is_help=True)


@app.command("check", epilog=example("dicom-node rules check routing_rules.yaml"))
def check_rules(
    file: Annotated[Path | None, typer.Argument(help="The rules file; without it the node's.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where there are warnings, too.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Print the rules as the node reads them.")] = False,
    config: Config = None,
) -> None:
    """Say everything that is wrong with a rules file: file, line, key. Exit status 1 when there is anything.

    Wrong is a rule that can never match or is never reached, too. A rule that would match its own output is warned of.
    """
    settings = settings_of(config)
    from dicom_node.holdings import catalogue
    from dicom_node.route.loader import check, load_rules, printed

    file, registry = file or settings.rules, registry_of(settings)
    problems = check(file, catalogue(registry))
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    rules = load_rules(file, catalogue(registry))
    warnings = _output_matched(rules, registry)
    for warning in warnings:
        typer.echo(f"{file}: warning: {warning}", err=True)
    if show:
        typer.echo(printed(rules), nl=False)
    if warnings and strict:
        raise typer.Exit(1)
    if not show:
        typer.echo(f"{file}: all is well")


@app.command(
    "explain",
    epilog=example(
        "dicom-node rules explain STUDY_FOLDER", "dicom-node rules explain image.dcm --rules new_rules.yaml --json"
    ),
)
def explain_rules(
    path: Annotated[Path, typer.Argument(help="A DICOM file, or a folder of them.")],
    rules: Annotated[Path | None, typer.Option(help="The rules file; without it the node's.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Say for each series which rules match, and which clause the others fail and with what value."""
    settings = settings_of(config)
    from dicom_node.cli.folders import series_in
    from dicom_node.holdings import catalogue
    from dicom_node.route.loader import load_rules

    loaded = load_rules(rules or settings.rules, catalogue(registry_of(settings)))
    content = series_in(path)
    show_left_out(content.left_out)
    rows = [row for found in content.series for row in _explained(found, loaded)]
    if json:
        show_json({"series": rows})
        return
    for row in rows:
        _show(row)


app.command("replay", epilog=example("dicom-node rules replay new_rules.yaml --last 100"))(replay)
app.command("history", epilog=example("dicom-node rules history", "dicom-node rules history 7"))(history)
app.command("restore", epilog=example("dicom-node rules restore 6"))(restore)


def _output_matched(rules: RulesFile, registry: Registry) -> list[str]:
    """Word which rules would match what they make; no node routes its own work, but two could play it to each other."""
    from dicom_node.encode.appearance import APPEARANCE
    from dicom_node.route.conflicts import matches_output

    return [
        f"rule '{rule.name}' would match the output of {run.model} when it comes back: "
        "add 'is_original: true' to its clauses (what this node made it never routes, whatever the rules say)"
        for rule in rules.rules
        for run in rule.run
        if run.output is Output.RESULT
        and (looks := APPEARANCE.get(registry.get(run.model).manifest.output.kind))
        and matches_output(rule, looks)
    ]


def _explained(found: SeriesOnDisk, rules: RulesFile) -> list[dict[str, Any]]:
    """Return one row a stack; a series without any has one row with the reason."""
    from dicom_node.assemble.gate import refusal
    from dicom_node.route.matcher import explain

    if not found.stacks:
        return [{"series_uid": found.series_uid, "stack": "", "facts": {}, "refused": found.refused, "rules": []}]
    return [
        {
            "series_uid": found.series_uid,
            "stack": stack.label,
            "facts": {**stack.facts.header, **stack.facts.derived},
            "refused": found.refused or refusal(stack),
            "rules": [
                {
                    "name": verdict.name,
                    "matched": verdict.matched,
                    "run": [run.model_dump(mode="json") for run in rule.run],
                    "failed": [{"clause": each.clause, "value": each.value} for each in verdict.failed],
                }
                for rule, verdict in zip(rules.rules, explain(stack.facts, rules), strict=True)
            ],
        }
        for stack in found.stacks
    ]


def _show(row: dict[str, Any]) -> None:
    described = row["facts"].get("SeriesDescription", "")
    typer.echo("  ".join(shown(part) for part in (row["series_uid"], row["stack"], described) if part))
    if row["refused"]:
        typer.echo(f"  no model may see it: {row['refused']}")
    for rule in row["rules"]:
        typer.echo(f"  {'matches' if rule['matched'] else 'does not match'}: {rule['name']}{_asks(rule['run'])}")
        for failed in rule["failed"]:
            typer.echo(f"      {failed['clause']}; it is {shown(failed['value'])}")


def _asks(runs: list[dict[str, Any]]) -> str:
    """Word what a rule asks of its models, where that is not what everyone expects."""
    asked = [f"{run['output']} of {run['model']}" for run in runs if run["output"] != Output.RESULT]
    return f" (asks for the {', the '.join(asked)})" if asked else ""
