"""``dicom-node doctor``: what would keep a node from working here, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from dicom_node.cli.options import Config, Json, settings_of, show_json
from dicom_node.errors import NodeError
from inference.errors import InferenceError

if TYPE_CHECKING:
    from dicom_node.settings import Settings

_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: a problem says what to do."""

    check: str
    problem: str | None
    detail: str


def doctor(config: Config = None, json: Json = False) -> None:
    """Check configuration, disk, ledger, rules, models, destinations, listening port and clock.

    Exit status 1 when something would keep the node from working.
    """
    settings = settings_of(config)
    findings = []
    for finding in _findings(settings):
        findings.append(finding)
        if not json:
            typer.echo(f"{'ok  ' if finding.problem is None else 'FAIL'}  {finding.check}: {_words(finding)}")
    if json:
        show_json([{"check": f.check, "ok": f.problem is None, "detail": _words(f)} for f in findings])
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


def _words(finding: Finding) -> str:
    return finding.problem or finding.detail


def _findings(settings: Settings) -> Iterator[Finding]:
    yield Finding("configuration", None, f"AE title {settings.ae_title}, data in {settings.data_dir}")
    checks: dict[str, Callable[[Settings], str]] = {
        "disk": _disk,
        "ledger": _ledger,
        "models": _models,
        "rules": _rules,
        "clock": _clock,
        "listen": _listen,
    }
    for name, check in checks.items():
        yield _outcome(name, check, settings)
    yield from _destinations(settings)


def _outcome(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, None, check(settings))
    except (NodeError, InferenceError, OSError) as error:
        return Finding(name, str(error), "")


def _disk(settings: Settings) -> str:
    from dicom_node.app import GIB, open_spool
    from dicom_node.errors import RefusedToStart

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = open_spool(settings).free_bytes() / GIB
    if free < settings.retention.min_free_gib:
        raise RefusedToStart(
            f"{free:.1f} GiB are free in {settings.data_dir}, retention.min_free_gib asks for "
            f"{settings.retention.min_free_gib:g}: free some, or nothing is received"
        )
    # what every C-STORE waits for: a network drive or a worn card shows here
    started, probe = time.perf_counter(), settings.data_dir / ".doctor"
    from dicom_node.spool.durable import sync_folder, write_file

    probe.unlink(missing_ok=True)
    write_file(probe, [bytes(131072)])
    sync_folder(settings.data_dir)
    probe.unlink()
    return f"{free:.0f} GiB free; one image is durable in {1000 * (time.perf_counter() - started):.1f} ms"


def _ledger(settings: Settings) -> str:
    from dicom_node.app import open_ledger

    counts = open_ledger(settings).counts()
    return f"{sum(n for (noun, _), n in counts.items() if noun == 'series')} series"


def _models(settings: Settings) -> str:
    from dicom_node.app import model_folders
    from inference.errors import BundleRefused
    from inference.registry import Registry, verify

    registry = Registry(model_folders(settings))
    if registry.refused:
        raise BundleRefused("; ".join(registry.refused.values()))
    if not registry.names():
        raise BundleRefused("there are none: see infer.models")
    for name in registry.names():
        verify(registry.get(name), device=settings.infer.device)
    return f"{', '.join(registry.names())} give what they should"


def _rules(settings: Settings) -> str:
    from dicom_node.app import catalogue, model_folders
    from dicom_node.route.loader import load_rules
    from inference.registry import Registry

    rules = load_rules(settings.rules, catalogue(Registry(model_folders(settings))))
    return f"{len(rules.rules)} rules in {settings.rules}"


def _clock(_settings: Settings) -> str:
    from dicom_node.errors import RefusedToStart

    now = datetime.now(UTC)
    if now < _EARLIEST:
        raise RefusedToStart(f"the clock says {now:%Y-%m-%d}: set it, or derived series carry wrong dates")
    return f"{now:%Y-%m-%d %H:%M} UTC"


def _listen(settings: Settings) -> str:
    import socket

    from dicom_node.errors import RefusedToStart

    where = (settings.listen.host, settings.listen.port)
    try:
        socket.create_server(where).close()
    except OSError as error:
        raise RefusedToStart(
            f"{where[0]}:{where[1]} cannot be taken ({error.strerror}): a running node holds it, or set listen.port"
        ) from error
    return f"{where[0]}:{where[1]} is free"


def _destinations(settings: Settings) -> Iterator[Finding]:
    from dicom_node.app import catalogue, model_folders
    from dicom_node.deliver.registry import destination
    from dicom_node.errors import RefusedToStart
    from dicom_node.route.loader import load_rules
    from inference.registry import Registry

    try:
        rules = load_rules(settings.rules, catalogue(Registry(model_folders(settings))))
    except RefusedToStart:
        return  # said above

    def answers(where: dict[str, object]) -> Callable[[Settings], str]:
        def ask(_settings: Settings) -> str:
            destination(where, settings.ae_title).echo()
            return "answers"

        return ask

    for name, where in rules.destinations.items():
        yield _outcome(f"destination {name}", answers(where.model_dump()), settings)
