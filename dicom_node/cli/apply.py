"""``dicom-node apply``: run a model on files, without a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dicom_node.cli.options import (
    NIFTI,
    Config,
    ContrastName,
    example,
    is_nifti,
    registry_of,
    settings_of,
    show_left_out,
    shown,
)
from inference.output import Output

if TYPE_CHECKING:
    from dicom_node.cli.references import Reference
    from dicom_node.cli.style_reader import Encoder
    from dicom_node.domain.ports import Executor
    from dicom_node.domain.stack import Stack
    from dicom_node.settings import Settings
    from inference.aim import Aim
    from inference.bundle import Bundle

REFERENCE = "reference"
"""What a look or a style is called in the headers when it was measured for this run alone."""

EXAMPLE = example(
    "dicom-node apply --model harmonize-nyul STUDY_FOLDER DERIVED_FOLDER",
    "dicom-node apply --model harmonize-nyul --contrast T1 head.nii.gz harmonized.nii.gz",
    "dicom-node apply --model synth-ct-unet --output uncertainty STUDY_FOLDER MAP_FOLDER",
    "dicom-node apply --model harmonize-histogram --reference ONE --reference TWO STUDY_FOLDER DERIVED_FOLDER",
)


References = Annotated[
    list[Path] | None,
    typer.Option(metavar="PATH", help="A head to look like, instead of a target: DICOM or NIfTI; may repeat."),
]


Asked = Annotated[Output, typer.Option(help="What to make: the result, or a map of how unsure the model is of it.")]


def apply(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A DICOM file or folder, or a NIfTI file.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder, or a new NIfTI file.")],
    model: Annotated[str, typer.Option(help="As `dicom-node models list` shows it.")],
    target: Annotated[
        str | None, typer.Option(help="One of the model's targets; may be left out if it has one.")
    ] = None,
    reference: References = None,
    contrast: Annotated[ContrastName | None, typer.Option(help="Of NIfTI files; without it the target's.")] = None,
    output: Asked = Output.RESULT,
    config: Config = None,
) -> None:
    """Run a model on a DICOM folder or a NIfTI file, through the same gates as a node would.

    From DICOM comes DICOM: derived series that a PACS takes, one folder each below OUT. Nothing that is there already
    is written over. Exit status 1 when nothing could be derived.
    """
    if target is not None and reference:
        raise typer.BadParameter("--target and --reference exclude each other")
    if reference and output is not Output.RESULT:
        raise typer.BadParameter("--output and --reference exclude each other")
    if contrast and not any(map(is_nifti, (source, *(reference or ())))):
        raise typer.BadParameter("--contrast is for NIfTI files: DICOM images tell it themselves")
    settings = settings_of(config)
    _check_paths(source, out)
    import tempfile
    from contextlib import closing

    from dicom_node.app import local_executor
    from dicom_node.cli.style_reader import Encoder

    registry = registry_of(settings)
    bundle = registry.get(model)
    with tempfile.TemporaryDirectory() as name:
        targets = Path(name) / "targets" if reference else settings.targets_dir
        with closing(local_executor(settings, Path(name), targets)) as executor:
            aim = (
                _measured(reference, Encoder(bundle, executor), targets, contrast=contrast)
                if reference
                else registry.aim(model, target, output)
            )
            if is_nifti(source):
                _apply_to_nifti(source, out, bundle, executor, aim=aim, contrast=contrast)
            else:
                _apply_to_folder(source, out, bundle, executor, aim=aim, settings=settings)


def _measured(references: list[Path], encoder: Encoder, folder: Path, *, contrast: ContrastName | None) -> Aim:
    """Measure references, and put their look, or the style that the model reads in them, where the model finds it."""
    from dicom_node.cli.references import measure
    from inference.added import AddedLooks
    from inference.aim import at_added

    bundle, manifest = encoder.bundle, encoder.bundle.manifest
    if manifest.added_targets is None and manifest.added_styles is None:
        raise typer.BadParameter(f"model {manifest.name} takes no references: name a target")
    assumed = contrast.value if contrast else _only_contrast(bundle)
    nifti = [path for path in references if is_nifti(path)]
    if nifti and contrast is None:
        if assumed is None:
            raise typer.BadParameter(f"--contrast is needed: {nifti[0]} cannot tell it")
        typer.echo(f"{nifti[0]}: its contrast is assumed to be {assumed}; --contrast says otherwise", err=True)
    reads = manifest.added_styles is not None
    measured = measure(references, contrast=assumed, tell=_tell, encoder=encoder if reads else None)
    for caution in measured.cautions:
        typer.echo(f"mind: {caution}", err=True)
    added = encoder.style(measured) if reads else measured.look
    aim = at_added(bundle, REFERENCE, added)
    AddedLooks(folder).put(REFERENCE, added)
    return aim


def _tell(reference: Reference) -> None:
    verdict = "taken as a reference" if reference.refused is None else f"left out: {shown(reference.refused)}"
    typer.echo(f"{shown(reference.label)}: {verdict}", err=True)


def _only_contrast(bundle: Bundle) -> str | None:
    taken = bundle.manifest.input.contrasts
    return taken[0] if taken != "any" and len(taken) == 1 else None


def _check_paths(source: Path, out: Path) -> None:
    """Refuse what cannot be read or must not be written over, before the model runs for minutes."""
    from dicom_node.errors import NotFound, SeriesRefused

    if not source.exists():
        raise NotFound(f"{source}: there is no such file or folder")
    if is_nifti(source) != is_nifti(out):
        wanted = f"a file that ends in {' or '.join(NIFTI)}" if is_nifti(source) else "a folder for DICOM files"
        raise SeriesRefused(f"{out}: from {source} comes {wanted}: name one")
    if out.is_dir() and not is_nifti(out) and not any(out.iterdir()):
        return
    if out.exists():
        raise SeriesRefused(f"{out}: is there already, and is not written over: name a new one")


def _apply_to_folder(
    source: Path, out: Path, bundle: Bundle, executor: Executor, *, aim: Aim, settings: Settings
) -> None:
    from dicom_node.cli.folders import series_in
    from dicom_node.errors import JobFailed, JobHeld, SeriesRefused

    made = 0
    content = series_in(source)
    show_left_out(content.left_out)
    for number, found in enumerate(content.series, start=1):
        if found.refused:
            typer.echo(f"{found.series_uid}: not derived: {found.refused}", err=True)
            continue
        for stack in found.stacks:
            named = f"{found.series_uid} {stack.label}".rstrip()
            try:
                folder = out / f"{number:03d}{f'-{stack.label}' if stack.label else ''}".replace("/", "_")
                count = _derive_stack(stack, folder, bundle, executor, aim=aim, settings=settings)
            except (SeriesRefused, JobHeld, JobFailed) as held:
                typer.echo(f"{named}: not derived: {held}", err=True)
            else:
                made += 1
                typer.echo(f"{named}: {count} instances in {folder}")
    if not made:
        raise SeriesRefused(f"{source}: no series could be derived, for the reasons above")


def _derive_stack(
    stack: Stack, folder: Path, bundle: Bundle, executor: Executor, *, aim: Aim, settings: Settings
) -> int:
    """Write the derived series of one stack into a folder, and return how many instances it has."""
    from dicom_node.derivation import derive
    from dicom_node.domain.clock import SystemClock
    from dicom_node.encode.series import to_bytes
    from dicom_node.jobs import provenance_by_hand

    provenance = provenance_by_hand(
        stack,
        bundle,
        aim,
        at=SystemClock().now(),
        number_offset=settings.derived.series_number_offset,
    )
    derived = derive(stack, bundle, executor, aim=aim, provenance=provenance, ct=settings.derived.ct)
    folder.mkdir(parents=True, exist_ok=True)
    for number, instance in enumerate(derived.instances, start=1):
        (folder / f"{number:05d}.dcm").write_bytes(to_bytes(instance))
    for warning in derived.warnings:
        typer.echo(f"check: {warning}", err=True)
    return len(derived.instances)


def _apply_to_nifti(
    source: Path, out: Path, bundle: Bundle, executor: Executor, *, aim: Aim, contrast: ContrastName | None
) -> None:
    from dicom_node.cli.nifti import read_nifti, write_nifti
    from dicom_node.derivation import harmonize
    from inference.contract import Acquisition

    taken = bundle.manifest.input.contrasts
    assumed = contrast.value if contrast else aim.contrast or (None if taken == "any" else taken[0])
    if contrast is None and assumed is not None:
        typer.echo(f"{source}: its contrast is assumed to be {assumed}; --contrast says otherwise", err=True)
    acquisition = Acquisition(modality=bundle.manifest.input.modality, contrast=assumed)
    volume = read_nifti(source, unit=bundle.manifest.input.unit)
    result = harmonize(volume, acquisition, bundle, executor, aim=aim)
    write_nifti(out, result.volume, like=source)
    for warning in result.warnings:
        typer.echo(f"check: {warning}", err=True)
    typer.echo(f"{out}: written")
