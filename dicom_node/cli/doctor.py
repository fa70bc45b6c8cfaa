"""``dicom-node doctor``: what would keep a node from working here, and what to do about it."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dicom_node.cli.options import (
    Config,
    Json,
    absent_folders,
    example,
    has_ledger,
    ledger_of,
    settings_of,
    show_json,
    shown,
)
from dicom_node.errors import NodeError
from inference.errors import InferenceError

if TYPE_CHECKING:
    from dicom_node.route.schema import RulesFile
    from dicom_node.settings import Settings

EXAMPLE = example("dicom-node doctor", "dicom-node doctor --config /etc/dicom-node/node.yaml --json")

_GIB = 1024**3
_IMAGE_BYTES = 131072
_RENEW_DAYS = 30
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: a problem says what to do."""

    check: str
    problem: str | None
    detail: str


def doctor(config: Config = None, json: Json = False) -> None:
    """Check settings, disk, ledger, models, rules, clock, ports, certificates and destinations, and say what to do.

    Exit status 1 when something would keep the node from working.
    """
    settings = settings_of(config)
    findings = []
    for finding in _findings(settings):
        findings.append(finding)
        if not json:
            typer.echo(f"{'ok  ' if finding.problem is None else 'FAIL'}  {finding.check}: {shown(_words(finding))}")
    if json:
        show_json([{"check": f.check, "ok": f.problem is None, "detail": _words(f)} for f in findings])
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


def _words(finding: Finding) -> str:
    return finding.problem or finding.detail


def _findings(settings: Settings) -> Iterator[Finding]:
    yield Finding("configuration", None, f"AE title {settings.ae_title}, data in {settings.data_dir}")
    for name, check in _CHECKS.items():
        yield _outcome(name, check, settings)
    yield from _destinations(settings)
    if settings.completeness.count_from is not None:
        yield _outcome("completeness.count_from", _counts, settings)


def _outcome(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, None, check(settings))
    except (NodeError, InferenceError) as error:
        return Finding(name, str(error), "")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return Finding(name, f"{where}{error.strerror or error}", "")


def _disk(settings: Settings) -> str:
    """Write what a C-STORE writes, and take it away: a folder that is not writable or slow shows here."""
    import shutil
    import tempfile

    from dicom_node.errors import RefusedToStart
    from dicom_node.spool.durable import sync_folder, write_file

    # the node makes the folder when it starts; looking makes none
    folder = next(each for each in (settings.data_dir, *settings.data_dir.parents) if each.exists())
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as made:
            started = time.perf_counter()
            write_file(Path(made) / "image", [bytes(_IMAGE_BYTES)])
            sync_folder(Path(made))
            milliseconds = 1000 * (time.perf_counter() - started)
    except OSError as error:
        raise RefusedToStart(f"data_dir: {folder} cannot be written: {error.strerror}") from error
    free, wanted = shutil.disk_usage(folder).free / _GIB, settings.retention.min_free_gib
    if free < wanted:
        raise RefusedToStart(
            f"{free:.1f} GiB are free in {folder}, retention.min_free_gib asks for {wanted:g}: free some, or nothing "
            "is received"
        )
    return f"{free:.0f} GiB free; one image is durable in {milliseconds:.1f} ms"


def _ledger(settings: Settings) -> str:
    if not has_ledger(settings):
        return "there is none yet: the node makes it when it first starts"
    with ledger_of(settings) as ledger:
        counts = ledger.counts()
    return f"{sum(n for (noun, _), n in counts.items() if noun == 'series')} series"


def _models(settings: Settings) -> str:
    from dicom_node.holdings import open_registry
    from inference.errors import BundleRefused
    from inference.registry import verify

    registry = open_registry(settings)
    problems = [*absent_folders(settings), *registry.refused.values()]
    for name in registry.names():
        try:
            verify(registry.get(name), device=settings.infer.device)
        except InferenceError as error:
            problems.append(str(error))
    if not registry.names():
        problems.append("there are none: name folders of bundles in infer.models")
    if problems:
        raise BundleRefused("; ".join(problems))
    return f"{', '.join(registry.names())} give what they should"


def _targets(settings: Settings) -> str:
    from dicom_node.holdings import added_looks
    from inference.errors import BundleRefused

    added = added_looks(settings)
    refused = added.refused()
    if refused:
        raise BundleRefused("; ".join(refused.values()))
    return ", ".join(added.looks()) or "there are none"


def _rules(settings: Settings) -> str:
    count = len(_loaded(settings).rules)
    return f"{count} {'rule' if count == 1 else 'rules'} in {settings.rules}"


def _loaded(settings: Settings) -> RulesFile:
    from dicom_node.errors import RefusedToStart
    from dicom_node.holdings import catalogue, open_registry
    from dicom_node.route.loader import load_rules

    if not settings.rules.exists():
        raise RefusedToStart(f"{settings.rules} is not there: write it, or name another in the setting 'rules'")
    return load_rules(settings.rules, catalogue(open_registry(settings)))


def _clock(_settings: Settings) -> str:
    from dicom_node.errors import RefusedToStart

    now = datetime.now(UTC)
    if now < _EARLIEST:
        raise RefusedToStart(f"the clock says {now:%Y-%m-%d}: set it, or derived series carry wrong dates")
    return f"{now:%Y-%m-%d %H:%M} UTC"


def _listen(settings: Settings) -> str:
    return _port(settings, "listen", settings.listen.host, settings.listen.port)


def _certificates(settings: Settings) -> str:
    from dicom_node.app import tls_files
    from dicom_node.receive.own_certificate import valid_until

    files = tls_files(settings.listen)
    if files is None:
        return "no TLS: listen.tls is not set"
    ends = valid_until(files)
    days = (ends - datetime.now(UTC)).days
    return f"valid until {ends:%Y-%m-%d}, {days} days{': renew soon' if days < _RENEW_DAYS else ''}"


def _audit(settings: Settings) -> str:
    from dicom_node.app import audit_receiver

    audit_receiver(settings.audit)
    where = {"nowhere": "", "file": f" to {settings.audit.file}", "syslog": f" to {settings.audit.host}"}
    return f"in the ledger{' and' * (settings.audit.to != 'nowhere')}{where[settings.audit.to]}"


def _console(settings: Settings) -> str:
    return _port(settings, "console", settings.console.host, settings.console.port)


def _port(settings: Settings, key: str, host: str, port: int) -> str:
    import socket

    from dicom_node.errors import RefusedToStart
    from dicom_node.spool.identity import is_claimed

    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and is_claimed(settings.data_dir, "receiver"):
            return f"{host}:{port} is taken, and a node runs on {settings.data_dir}"
        why = str(error.strerror).partition(" (while")[0]  # the address stands in front of it already
        raise RefusedToStart(
            f"{host}:{port} cannot be taken ({why}): stop what holds it, or set {key}.port or {key}.host"
        ) from error
    return f"{host}:{port} is free"


def _destinations(settings: Settings) -> Iterator[Finding]:
    from dicom_node.deliver.registry import destination
    from dicom_node.errors import RefusedToStart

    try:
        rules = _loaded(settings)
    except RefusedToStart:
        return  # said above

    def answers(where: dict[str, object]) -> Callable[[Settings], str]:
        def ask(_settings: Settings) -> str:
            destination(where, settings.ae_title).echo()
            return "answers"

        return ask

    for name, where in rules.destinations.items():
        yield _outcome(f"destination {name}", answers(where.model_dump()), settings)


def _counts(settings: Settings) -> str:
    """Ask the PACS for a series that nobody has."""
    from dicom_node.app import open_archive
    from dicom_node.domain.identifiers import uid_of

    archive = open_archive(settings)
    assert archive is not None  # called only where one is set
    nobodys = uid_of("series", ("doctor",))
    archive.instances(nobodys, nobodys)
    return "answers C-FIND"


_CHECKS: dict[str, Callable[[Settings], str]] = {
    "disk": _disk,
    "ledger": _ledger,
    "models": _models,
    "added targets": _targets,
    "rules": _rules,
    "clock": _clock,
    "listen": _listen,
    "certificates": _certificates,
    "audit": _audit,
    "console": _console,
}
