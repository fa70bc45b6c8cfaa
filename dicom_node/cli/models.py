"""``dicom-node models``: which models there are, what they take, and whether they are what they were."""

from __future__ import annotations

from typing import Annotated

import typer

from dicom_node.cli import targets
from dicom_node.cli.options import Config, Json, example, registry_of, settings_of, show_json, show_table

app = typer.Typer(help="Which models there are, and what they take.", no_args_is_help=True)
app.add_typer(targets.app, name="target")

ModelName = Annotated[str, typer.Argument(help="As `models list` shows it.")]


@app.command("list", epilog=example("dicom-node models list"))
def list_models(config: Config = None, json: Json = False) -> None:
    """List the models that rules may name, and bundles that cannot be used with the reason."""
    registry = registry_of(settings_of(config))
    offered = registry.targets()
    rows = [
        {"name": name, "version": manifest.version, "task": manifest.task, "targets": list(offered[name]),
         "outputs": list(manifest.outputs), "digest": registry.get(name).digest}
        for name, manifest in ((name, registry.get(name).manifest) for name in registry.names())
    ]  # fmt: skip
    refused = {str(folder): reason for folder, reason in registry.refused.items()}
    if json:
        show_json({"models": rows, "refused": refused})
        return
    cells = [
        [r["name"], r["version"], r["task"], ", ".join(r["targets"]), ", ".join(r["outputs"]), r["digest"][:12]]
        for r in rows
    ]
    columns = ("name", "version", "task", "targets", "outputs", "digest")
    show_table(columns, cells, empty="No models: see infer.models.")
    for reason in refused.values():
        typer.echo(f"cannot be used: {reason}", err=True)


@app.command("show", epilog=example("dicom-node models show harmonize-nyul"))
def show_model(name: ModelName, config: Config = None, json: Json = False) -> None:
    """Show one model: intended use, what it takes and gives, targets, limits of its output gate."""
    registry = registry_of(settings_of(config))
    bundle = registry.get(name)
    document = {
        **bundle.manifest.model_dump(mode="json"),
        "offered_targets": list(registry.targets()[name]),
        "offered_outputs": [str(output) for output in bundle.manifest.outputs],
        "digest": bundle.digest,
        "folder": str(bundle.folder),
    }
    if json:
        show_json(document)
        return
    import io

    from ruamel.yaml import YAML

    text = io.StringIO()
    YAML(pure=True).dump(document, text)  # not the safe one, which sorts the keys: what it is for comes first
    typer.echo(text.getvalue(), nl=False)


@app.command("verify", epilog=example("dicom-node models verify", "dicom-node models verify harmonize-nyul"))
def verify_models(
    name: Annotated[str | None, typer.Argument(help="One model; without it all.")] = None, config: Config = None
) -> None:
    """Run each model on the reference pair of its bundle and compare.

    Exit status 1 when any of them, or any bundle that cannot be used, is not as it should be.
    """
    settings = settings_of(config)
    from inference.errors import InferenceError
    from inference.registry import verify

    registry = registry_of(settings)
    failures = [] if name else list(registry.refused.values())
    for each in (name,) if name else registry.names():
        try:
            difference = verify(registry.get(each), device=settings.infer.device)
        except InferenceError as error:
            failures.append(str(error))
        else:
            typer.echo(f"{each}: differs from its reference by {difference:.2g} of its range: as it should be")
    for failure in failures:
        typer.echo(f"dicom-node: {failure}", err=True)
    if failures:
        raise typer.Exit(1)
