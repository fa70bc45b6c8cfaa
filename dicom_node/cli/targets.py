"""``dicom-node models target``: targets that a site makes of its own references, without training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dicom_node.cli.options import (
    Config,
    ContrastName,
    Json,
    example,
    is_nifti,
    registry_of,
    settings_of,
    show_fields,
    show_json,
    show_table,
    shown,
)

if TYPE_CHECKING:
    from dicom_node.cli.references import Measured, Reference
    from dicom_node.cli.style_reader import Encoder
    from dicom_node.settings import Settings
    from inference.added import Added
    from inference.registry import Registry

app = typer.Typer(help="Targets of your own, measured on reference series.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What rules call it: a-z, 0-9, '.' and '-'.")]
AddedName = Annotated[str, typer.Argument(metavar="NAME", help="As `models target list` shows it.")]

_SHOWN_LEVELS = (1, 10, 50, 90, 99)


@app.command(
    "add",
    epilog=example(
        "dicom-node models target add our-prisma SERIES_1 SERIES_2 SERIES_3",
        "dicom-node models target add our-flair --contrast FLAIR one.nii.gz two.nii.gz three.nii.gz",
        "dicom-node models target add our-style --model harmonize-mhgan SERIES_1 SERIES_2 SERIES_3",
    ),
)
def add_target(
    name: Name,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Reference heads: DICOM files or folders, NIfTI files.")
    ],
    contrast: Annotated[ContrastName | None, typer.Option(help="Of NIfTI files, which cannot tell it.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of the one of that name.")] = False,
    model: Annotated[str | None, typer.Option(help="Have this model read their style: a target for it alone.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Measure what heads of a scanner look like, and keep it as a target for models.

    Give whole heads of several people, all of one contrast and without contrast agent. What is kept are percentiles of
    their intensities, or with --model some numbers that its encoder reads in them: no image, no name.
    """
    _check_contrast(paths, contrast)
    settings = settings_of(config)
    from dicom_node.cli.references import measure
    from dicom_node.holdings import added_looks

    added, registry = added_looks(settings), registry_of(settings)
    _check_name(name, registry)
    added.check_new(name, replace=replace)
    with _encoder(model, settings, registry) as encoder:
        measured = measure(paths, contrast=contrast and contrast.value, tell=_told_as(json=json), encoder=encoder)
        made = encoder.style(measured) if encoder else measured.look
    file = added.put(name, made, replace=replace)
    models = _models(name, registry)
    for caution in (*measured.cautions, *(() if models else (_UNUSED,))):
        typer.echo(f"mind: {caution}", err=True)
    if json:
        show_json({**_row(name, made, registry), "file": str(file), **_references(measured)})
        return
    typer.echo(f"{name}: {made.contrast}, of {len(measured.taken)}, in {file}")
    if models:
        typer.echo(f"models that can aim at it: {', '.join(models)}")


@app.command("list", epilog=example("dicom-node models target list"))
def list_targets(config: Config = None, json: Json = False) -> None:
    """List the targets that were added, and what cannot be used with the reason."""
    settings = settings_of(config)
    from dicom_node.holdings import added_looks

    added, registry = added_looks(settings), registry_of(settings)
    rows = [_row(name, look, registry) for name, look in added.looks().items()]
    refused = {str(path): reason for path, reason in added.refused().items()}
    if json:
        show_json({"targets": rows, "refused": refused})
        return
    cells = [
        [row["name"], row["contrast"], row["references"], ", ".join(row["models"]), row["digest"][:12]] for row in rows
    ]
    columns = ("name", "contrast", "references", "models", "digest")
    show_table(columns, cells, empty="None was added: `dicom-node models target add` does.")
    for reason in (*refused.values(), *_outdated(added.looks(), registry)):
        typer.echo(f"cannot be used: {reason}", err=True)


@app.command("show", epilog=example("dicom-node models target show our-prisma"))
def show_target(name: AddedName, config: Config = None, json: Json = False) -> None:
    """Show one target: its contrast, the models that can aim at it, and what it holds."""
    settings = settings_of(config)
    from dicom_node.holdings import added_looks

    look = added_looks(settings).get(name)
    row = _row(name, look, registry_of(settings))
    from inference.added_style import AddedStyle
    from inference.look import LEVELS

    if isinstance(look, AddedStyle):
        row |= {"read_by": look.model, "read_by_digest": look.model_digest}
        if json:
            show_json({**row, "numbers": look.mean.tolist()})
        else:
            show_fields({**row, "models": ", ".join(row["models"])})
        return
    profiles = {"deep": look.mean_deep.tolist(), "head": look.mean_head.tolist()}
    if json:
        show_json({**row, "percentiles": LEVELS.tolist(), **profiles})
        return
    show_fields({**row, "models": ", ".join(row["models"])})
    typer.echo("")
    import numpy as np

    columns = ("percentile", *map(str, _SHOWN_LEVELS))
    cells = [
        [part, *(f"{np.interp(at, LEVELS, means):.0f}" for at in _SHOWN_LEVELS)] for part, means in profiles.items()
    ]
    show_table(columns, cells, empty="")


@app.command("remove", epilog=example("dicom-node models target remove our-prisma"))
def remove_target(name: AddedName, config: Config = None) -> None:
    """Remove a target. Jobs that wait for it are HELD; rules that name it are listed."""
    settings = settings_of(config)
    from dicom_node.holdings import added_looks

    used = _rules_with(name, settings)
    added_looks(settings).remove(name)
    typer.echo(f"{name}: removed")
    for rule in used:
        typer.echo(f"mind: rule '{shown(rule)}' in {settings.rules} names it: change the rule", err=True)


_UNUSED = "no model that is installed here can aim at it"


def _check_contrast(paths: list[Path], contrast: ContrastName | None) -> None:
    nifti = [path for path in paths if is_nifti(path)]
    if contrast and not nifti:
        raise typer.BadParameter("--contrast is for NIfTI files: DICOM images tell it themselves")
    if nifti and not contrast:
        raise typer.BadParameter(f"--contrast is needed: {nifti[0]} cannot tell it")


def _check_name(name: str, registry: Registry) -> None:
    from dicom_node.errors import NodeError

    for model in registry.names():
        if name in registry.get(model).manifest.targets:
            raise NodeError(f"'{name}' is a target that comes with {model}: choose another name")


def _told_as(*, json: bool) -> Any:
    """Return what says of each reference whether it was taken; with JSON nothing else goes to standard output."""

    def tell(reference: Reference) -> None:
        what = " ".join(filter(None, (reference.acquisition.contrast, reference.scanner)))
        if reference.refused is not None:
            typer.echo(f"{shown(reference.label)}: left out: {shown(reference.refused)}", err=True)
        elif not json:
            typer.echo(f"{shown(reference.label)}: taken: {shown(what)}")

    return tell


def _models(name: str, registry: Registry) -> list[str]:
    """Return the models that aim at the added look of that name."""
    offered = registry.targets()
    return [
        model
        for model in registry.names()
        if name in offered[model] and name not in registry.get(model).manifest.targets
    ]


@contextmanager
def _encoder(model: str | None, settings: Settings, registry: Registry) -> Iterator[Encoder | None]:
    """Yield the encoder of a model, in a process of its own; None where no model is named."""
    if model is None:
        yield None
        return
    import tempfile
    from contextlib import closing

    from dicom_node.app import local_executor
    from dicom_node.cli.style_reader import Encoder, refuse_without_encoder

    bundle = registry.get(model)
    refuse_without_encoder(bundle)
    with tempfile.TemporaryDirectory() as scratch, closing(local_executor(settings, Path(scratch))) as executor:
        yield Encoder(bundle, executor)


def _outdated(added: Mapping[str, Added], registry: Registry) -> Iterator[str]:
    """Say which styles their model cannot aim at any more."""
    from inference.added_style import AddedStyle
    from inference.aim import unfit_style

    for name, style in added.items():
        if isinstance(style, AddedStyle) and style.model in registry.names():
            reason = unfit_style(registry.get(style.model), style)
            if reason is not None:
                yield f"{name}: {reason}"


def _row(name: str, look: Added, registry: Registry) -> dict[str, Any]:
    return {
        "name": name,
        "contrast": look.contrast,
        "references": look.references,
        "models": _models(name, registry),
        "digest": look.digest,
    }


def _references(measured: Measured) -> dict[str, Any]:
    return {
        "taken": [each.label for each in measured.taken],
        "left_out": [{"reference": each.label, "reason": each.refused} for each in measured.left_out],
        "mind": list(measured.cautions),
    }


def _rules_with(name: str, settings: Settings) -> list[str]:
    """Return the names of the rules that aim at a target; none where the rules cannot be read."""
    from dicom_node.errors import NodeError
    from dicom_node.holdings import catalogue, open_registry
    from dicom_node.route.loader import load_rules

    try:
        rules = load_rules(settings.rules, catalogue(open_registry(settings))).rules
    except NodeError:
        return []
    return [rule.name for rule in rules if any(run.target == name for run in rule.run)]
