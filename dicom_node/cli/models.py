"""``dicom-node models``: which models there are, what they take, and whether they are what they were."""

from __future__ import annotations

from typing import Annotated

import typer

from dicom_node.cli.options import Config, Json, settings_of, show_json, show_table

app = typer.Typer(help="Which models there are, and what they take.", no_args_is_help=True)

ModelName = Annotated[str, typer.Argument(help="As `models list` shows it.")]


@app.command("list")
def list_models(config: Config = None, json: Json = False) -> None:
    """List the models that rules may name, and bundles that cannot be used with the reason."""
    settings = settings_of(config)
    from dicom_node.app import model_folders
    from inference.registry import Registry

    registry = Registry(model_folders(settings))
    rows = [
        {"name": name, "version": manifest.version, "task": manifest.task, "targets": list(manifest.targets),
         "digest": registry.get(name).digest}
        for name, manifest in ((name, registry.get(name).manifest) for name in registry.names())
    ]  # fmt: skip
    refused = {str(folder): reason for folder, reason in registry.refused.items()}
    if json:
        show_json({"models": rows, "refused": refused})
        return
    cells = [[r["name"], r["version"], r["task"], ", ".join(r["targets"]), r["digest"][:12]] for r in rows]
    show_table(("name", "version", "task", "targets", "digest"), cells, empty="No models: see infer.models.")
    for reason in refused.values():
        typer.echo(f"cannot be used: {reason}", err=True)


@app.command("show")
def show_model(name: ModelName, config: Config = None, json: Json = False) -> None:
    """Show one model: intended use, what it takes and gives, targets, limits of its output gate."""
    settings = settings_of(config)
    from dicom_node.app import model_folders
    from inference.registry import Registry

    bundle = Registry(model_folders(settings)).get(name)
    document = {**bundle.manifest.model_dump(mode="json"), "digest": bundle.digest, "folder": str(bundle.folder)}
    if json:
        show_json(document)
        return
    import io

    from ruamel.yaml import YAML

    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(document, text)
    typer.echo(text.getvalue(), nl=False)


@app.command("verify")
def verify_models(
    name: Annotated[str | None, typer.Argument(help="One model; without it all.")] = None, config: Config = None
) -> None:
    """Run each model on the reference pair of its bundle and compare."""
    settings = settings_of(config)
    from dicom_node.app import model_folders
    from inference.registry import Registry, verify

    registry = Registry(model_folders(settings))
    for each in (name,) if name else registry.names():
        difference = verify(registry.get(each), device=settings.infer.device)
        typer.echo(f"{each}: differs from its reference by {difference:.2g} of its range: as it should be")
