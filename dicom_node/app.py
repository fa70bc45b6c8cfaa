"""The composition root: the only place that chooses concrete parts and wires them together."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dicom_node.assemble.archive_counts import ArchiveCounts
from dicom_node.assemble.collector import Collector
from dicom_node.assemble.paces import Paces
from dicom_node.audit.message import AuditSource
from dicom_node.audit.receivers import AuditFile, AuditReceiver, SyslogReceiver, tls_context
from dicom_node.auditing import Auditor
from dicom_node.commitments import CommitmentAnswers
from dicom_node.deliver.registry import destination
from dicom_node.dimse.archive import DicomArchive
from dicom_node.domain.association import AssociationEvent
from dicom_node.domain.clock import SystemClock
from dicom_node.domain.ports import Archive, Clock, Destination
from dicom_node.errors import RefusedToStart
from dicom_node.holdings import GIB, catalogue, model_folders, open_registry, open_results
from dicom_node.infer.local import LocalExecutor
from dicom_node.messages import Messages
from dicom_node.parts import Parts
from dicom_node.pipeline import Pipeline
from dicom_node.receive.commitment import CommitmentRequests
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.performed_step import PerformedStepMessages
from dicom_node.receive.policy import Policy
from dicom_node.receive.report import Reporter
from dicom_node.receive.server import Receiver
from dicom_node.receive.services import Service
from dicom_node.receive.tls import TlsFiles
from dicom_node.route.live import LiveRules
from dicom_node.settings import Audit, Limits, Listen, Settings
from dicom_node.spool.identity import identity
from dicom_node.spool.instances import Spool
from dicom_node.spool.ledger import Ledger


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


def open_receiver(
    settings: Settings,
    spool: Spool,
    *,
    services: Sequence[Service] = (),
    on_association: Callable[[AssociationEvent], None] = lambda event: None,
) -> Receiver:
    """Return the receiver, not yet listening.

    Raises
    ------
    RefusedToStart
        When its certificates cannot be used.
    """
    listen = settings.listen
    return Receiver(
        spool,
        Policy(settings.ae_title, settings.calling_ae),
        host=listen.host,
        port=listen.port,
        limits=receiver_limits(listen.limits),
        tls=tls_files(listen),
        services=services,
        on_association=on_association,
    )


def tls_files(listen: Listen) -> TlsFiles | None:
    """Return where the listener's certificates lie, None where it speaks plain TCP."""
    tls = listen.tls
    return None if tls is None else TlsFiles(tls.certificate, tls.key, tls.client_ca)


def receiver_limits(limits: Limits) -> ReceiverLimits:
    """Return what senders may ask of the receiver."""
    return ReceiverLimits(
        associations=limits.associations,
        associations_per_peer=limits.associations_per_peer,
        maximum_pdu=limits.pdu_bytes,
        instance_bytes=int(limits.instance_gib * GIB),
        negotiation_s=limits.request_s,
        pdu_s=limits.pdu_s,
        idle_s=limits.idle_s,
        association_s=limits.association_s,
    )


def open_messages(settings: Settings, *, spool: Spool, ledger: Ledger) -> Messages:
    """Return what the receiver does beside storing.

    Raises
    ------
    RefusedToStart
        When a file for speaking to the syslog receiver cannot be used.
    """
    clock = SystemClock()
    requests = CommitmentRequests(ledger.commitments.ask, clock, check_room=spool.check_room)
    answers = CommitmentAnswers(
        ledger.commitments, spool, Reporter(settings.ae_title),
        association_of=requests.association_of, settings=settings.commitment, clock=clock,
    )  # fmt: skip
    steps = PerformedStepMessages(ledger.performed_steps, clock, check_room=spool.check_room)
    offered = [(requests.service, settings.commitment.accept), (steps.service, settings.mpps.accept)]
    auditor = Auditor(ledger.audit_trail, audit_source(settings), audit_receiver(settings.audit), clock)
    return Messages([service for service, accepted in offered if accepted], answers, auditor)


def audit_source(settings: Settings) -> AuditSource:
    """Return who reports to the audit."""
    return AuditSource(settings.ae_title, f"{settings.ae_title}@{socket.gethostname()}", str(os.getpid()))


def audit_receiver(audit: Audit) -> AuditReceiver | None:
    """Return where audit messages go, None when nowhere.

    Raises
    ------
    RefusedToStart
        When a certificate or key cannot be used.
    """
    if audit.to == "nowhere":
        return None
    if audit.to == "file":
        return AuditFile(audit.file)
    try:
        tls = tls_context(audit.ca_file, audit.certificate, audit.key) if audit.tls else None
    except OSError as error:
        raise RefusedToStart(
            f"audit: ca_file, certificate or key cannot be used ({error.strerror or type(error).__name__}): "
            "name readable PEM files"
        ) from error
    return SyslogReceiver(audit.host, audit.port, tls, socket.gethostname(), str(os.getpid()))


def open_archive(settings: Settings) -> Archive | None:
    """Return the PACS that is asked for counts, None where none is."""
    where = settings.completeness.count_from
    if where is None:
        return None
    return DicomArchive(where.host, where.port, ae_title=where.ae_title, calling_ae=settings.ae_title)


def _publish(ledger: Ledger, clock: Clock, text: str, author: str) -> None:
    """Keep a version of the rules in the ledger."""
    ledger.rules.publish(text, author=author, at=clock.now())


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
    archive = open_archive(settings)
    counts = None if archive is None else ArchiveCounts(archive, clock)

    def reach(where: Mapping[str, Any]) -> Destination:
        return destination(where, settings.ae_title)

    return Pipeline(
        Parts(
            spool=spool,
            results=open_results(settings),
            ledger=ledger,
            collector=Collector(
                clock,
                settle_s=learned if waits.settle_s is None else waits.settle_s,
                silence_s=waits.silence_s,
                archive=counts,
            ),
            rules=LiveRules(settings.rules, partial(catalogue, registry), partial(_publish, ledger, clock)),
            registry=registry,
            executor=executor,
            destination=reach,
            clock=clock,
            settings=settings,
            serial_number=identity(settings.data_dir).serial_number,
            performed=ledger.performed_steps,
            archive_counts=counts,
        )
    )
