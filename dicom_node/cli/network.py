"""``dicom-node send`` and ``dicom-node echo``: try a DICOM address by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dicom_node.cli.options import Config, example, settings_of

if TYPE_CHECKING:
    from dicom_node.deliver.settings import DicomDestinationSettings

ECHO_EXAMPLE = example("dicom-node echo ORTHANC@127.0.0.1:4242")
SEND_EXAMPLE = example("dicom-node send STUDY_FOLDER --to ORTHANC@127.0.0.1:4242")

Address = Annotated[str, typer.Argument(metavar="AE@HOST:PORT", help="For instance ORTHANC@127.0.0.1:4242.")]


def echo(address: Address, config: Config = None) -> None:
    """Ask a DICOM node whether it answers (C-ECHO)."""
    settings = settings_of(config)
    from dicom_node.deliver.dicom import DicomDestination

    DicomDestination(_address(address), settings.ae_title).echo()
    typer.echo(f"{address} answers")


def send(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="DICOM files, or folders of them.")],
    to: Annotated[str, typer.Option("--to", metavar="AE@HOST:PORT", help="Where to.")],
    config: Config = None,
) -> None:
    """Send DICOM files as they are (C-STORE)."""
    settings = settings_of(config)
    from dicom_node.deliver.dicom import DicomDestination
    from dicom_node.errors import DeliveryRefused

    destination = DicomDestination(_address(to), settings.ae_title)
    files = [file for path in paths for file in _files(path)]
    report = destination.send(files)
    typer.echo(f"{report.accepted} of {len(files)} instances were accepted")
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if report.refused:
        statuses = ", ".join(sorted({f"0x{status:04X}" for status in report.refused.values()}))
        raise DeliveryRefused(f"{len(report.refused)} instances were refused with {statuses}")


def _address(text: str) -> DicomDestinationSettings:
    from dicom_node.deliver.address import parse_address

    try:
        return parse_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _files(path: Path) -> list[Path]:
    from pydicom.misc import is_dicom

    from dicom_node.errors import NotFound

    if path.is_file():
        return [path]
    found = sorted(each for each in path.rglob("*") if each.is_file() and is_dicom(each))
    if not found:
        raise NotFound(f"{path}: {'no DICOM files here' if path.is_dir() else 'there is no such file or folder'}")
    return found
