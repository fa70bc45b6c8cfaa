"""The composition root: the only place that chooses concrete parts and wires them together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from dicom_node.assemble.collector import Collector
from dicom_node.assemble.paces import Paces
from dicom_node.deliver.registry import DESTINATION_KINDS, destination
from dicom_node.domain.clock import SystemClock
from dicom_node.domain.ports import Catalogue, Destination
from dicom_node.infer.local import LocalExecutor
from dicom_node.parts import Parts
from dicom_node.pipeline import Pipeline
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.route.live import LiveRules
from dicom_node.settings import Settings
from dicom_node.spool.identity import identity
from dicom_node.spool.instances import Spool
from dicom_node.spool.ledger import Ledger
from dicom_node.spool.results import Results
from inference.added import AddedLooks
from inference.registry import SHIPPED, Registry

GIB = 1024**3


def model_folders(settings: Settings) -> tuple[Path, ...]:
    """Return where bundles are looked for: those that are shipped, then the site's own."""
    return (SHIPPED, *settings.infer.models)


def added_looks(settings: Settings) -> AddedLooks:
    """Return the targets that the site added."""
    return AddedLooks(settings.targets_dir)


def open_registry(settings: Settings) -> Registry:
    """Return the models with their targets."""
    return Registry(model_folders(settings), added_looks(settings))


def catalogue(registry: Registry) -> Catalogue:
    """Return what a rule may name."""
    return Catalogue(models=registry.targets(), destination_kinds=DESTINATION_KINDS)


def open_spool(settings: Settings) -> Spool:
    """Return the spool of a node."""
    return Spool(settings.data_dir / "spool", min_free_bytes=int(settings.retention.min_free_gib * GIB))


def open_results(settings: Settings) -> Results:
    """Return where a node keeps its derived series."""
    return Results(settings.data_dir / "derived")


def open_ledger(settings: Settings) -> Ledger:
    """Return the ledger of a node.

    Raises
    ------
    RefusedToStart
        When it cannot be opened.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    return Ledger(settings.ledger_url)


def local_executor(settings: Settings, scratch: Path | None = None, targets: Path | None = None) -> LocalExecutor:
    """Return what runs the models.

    Parameters
    ----------
    scratch
        Where volumes pass through; by default in the data folder.
    targets
        Folder of added looks, by default that of the settings.
    """
    return LocalExecutor(
        model_folders(settings),
        device=settings.infer.device,
        timeout_s=settings.infer.timeout_s,
        scratch=scratch or settings.data_dir / "scratch",
        targets=targets or settings.targets_dir,
    )


def open_receiver(settings: Settings, spool: Spool) -> Receiver:
    """Return the receiver, not yet listening."""
    policy = Policy(settings.ae_title, settings.calling_ae)
    return Receiver(spool, policy, host=settings.listen.host, port=settings.listen.port)


def open_pipeline(settings: Settings, *, spool: Spool, ledger: Ledger, executor: LocalExecutor) -> Pipeline:
    """Return the pipeline of a node.

    Raises
    ------
    RefusedToStart
        When the rules cannot be used.
    """
    clock = SystemClock()
    registry = open_registry(settings)
    waits = settings.completeness
    learned = Paces(ledger.pace_book, least_s=waits.settle_min_s, most_s=waits.silence_s)

    def reach(where: Mapping[str, Any]) -> Destination:
        return destination(where, settings.ae_title)

    return Pipeline(
        Parts(
            spool=spool,
            results=open_results(settings),
            ledger=ledger,
            collector=Collector(
                clock, settle_s=learned if waits.settle_s is None else waits.settle_s, silence_s=waits.silence_s
            ),
            rules=LiveRules(settings.rules, partial(catalogue, registry)),
            registry=registry,
            executor=executor,
            destination=reach,
            clock=clock,
            settings=settings,
            serial_number=identity(settings.data_dir).serial_number,
        )
    )
