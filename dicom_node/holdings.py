"""What a node holds on its disk: spool, ledger, results, models and targets, opened as its settings say.

Apart from `dicom_node.app`, which imports all that a node is made of, and each imported only when it is opened: a
command that looks at one of them begins in half the time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicom_node.domain.ports import Catalogue
    from dicom_node.settings import Settings
    from dicom_node.spool.instances import Spool
    from dicom_node.spool.ledger import Ledger
    from dicom_node.spool.results import Results
    from inference.added import AddedLooks
    from inference.registry import Registry

GIB = 1024**3


def model_folders(settings: Settings) -> tuple[Path, ...]:
    """Return where bundles are looked for: those that are shipped, then the site's own."""
    from inference.registry import SHIPPED

    return (SHIPPED, *settings.infer.models)


def added_looks(settings: Settings) -> AddedLooks:
    """Return the targets that the site added."""
    from inference.added import AddedLooks

    return AddedLooks(settings.targets_dir)


def open_registry(settings: Settings) -> Registry:
    """Return the models with their targets."""
    from inference.registry import Registry

    return Registry(model_folders(settings), added_looks(settings))


def catalogue(registry: Registry) -> Catalogue:
    """Return what a rule may name."""
    from dicom_node.deliver.registry import DESTINATION_KINDS
    from dicom_node.domain.ports import Catalogue

    return Catalogue(registry.targets(), DESTINATION_KINDS, registry.outputs())


def open_spool(settings: Settings) -> Spool:
    """Return the spool of a node."""
    from dicom_node.spool.instances import Spool

    return Spool(settings.data_dir / "spool", min_free_bytes=int(settings.retention.min_free_gib * GIB))


def open_results(settings: Settings) -> Results:
    """Return where a node keeps its derived series."""
    from dicom_node.spool.results import Results

    return Results(settings.data_dir / "derived")


def open_ledger(settings: Settings) -> Ledger:
    """Return the ledger of a node.

    Raises
    ------
    RefusedToStart
        When it cannot be opened.
    """
    from dicom_node.spool.ledger import Ledger

    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    return Ledger(settings.ledger_url)
