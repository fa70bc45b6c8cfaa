"""A running node: the roles that it plays, what ticks in it, and how it ends."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from functools import partial
from typing import Literal

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client.core import Metric
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.app import local_executor, open_messages, open_pipeline, open_receiver
from dicom_node.console.health import metrics, problems
from dicom_node.console.http import HttpServer, console
from dicom_node.console.receiver_metrics import receiver_metrics
from dicom_node.domain.clock import SystemClock
from dicom_node.errors import RefusedToStart
from dicom_node.holdings import GIB, open_ledger, open_results, open_spool
from dicom_node.pipeline import Pipeline
from dicom_node.settings import Settings
from dicom_node.spool.identity import claim
from dicom_node.spool.retention import expire, limit, make_room
from dicom_node.ticks import Ticks

Role = Literal["all", "receiver", "engine", "console"]

COLLECT_EVERY_S = 0.25
INFER_EVERY_S = 0.25
DELIVER_EVERY_S = 0.5
RULES_EVERY_S = 2
STALLED_AFTER_S = 60
"""A tick that is this late means that something in the engine hangs."""

DRAIN_S = 4.0
"""How long open associations may go on when the node ends."""
WAIT_S = 4.0
"""How long deliveries and jobs under way may, after that; together they stay within 10 s."""

log = structlog.get_logger()


class Node:
    """One process of the node.

    Parameters
    ----------
    settings
        See `Settings`.
    role
        What it does: everything, or one part of it beside other processes on the same data folder.

    Raises
    ------
    RefusedToStart
        When an address, the data folder, the ledger or the rules cannot be used.
    """

    def __init__(self, settings: Settings, role: Role) -> None:
        self._settings = settings
        self._receives = role in ("all", "receiver")
        self._works = role in ("all", "engine")
        self._stopping = threading.Event()
        self._spool = open_spool(settings)
        self._claims = [
            claim(settings.data_dir, name)
            for name, has in (("receiver", self._receives), ("engine", self._works))
            if has
        ]
        self._ledger = open_ledger(settings)
        self._executor = local_executor(settings)
        self._pipeline = (
            open_pipeline(settings, spool=self._spool, ledger=self._ledger, executor=self._executor)
            if self._works
            else None
        )
        self._messages = open_messages(settings, spool=self._spool, ledger=self._ledger) if self._receives else None
        self._receiver = (
            open_receiver(
                settings, self._spool, services=self._messages.services, on_association=self._messages.on_association
            )
            if self._messages is not None
            else None
        )
        self._console = self._open_console() if role in ("all", "console") else None
        self._ticks = Ticks(self._stopping)
        self._calendar = BackgroundScheduler(timezone="UTC")  # for what goes by the time of day
        self._senders = ThreadPoolExecutor(max_workers=8, thread_name_prefix="deliver")
        self._sending: dict[str, Future[None]] = {}

    @property
    def addresses(self) -> dict[str, int]:
        """Return the ports that are listened on, by what answers there."""
        ports = {}
        if self._receiver is not None:
            ports["dicom"] = self._receiver.port
        if self._console is not None:
            ports["http"] = self._console.port
        return ports

    def start(self) -> None:
        """Begin: reconcile what an earlier end left behind, then receive, then work.

        Raises
        ------
        RefusedToStart
            When the DICOM port cannot be taken.
        """
        if self._receives:
            self._spool.sweep()
        if self._pipeline is not None:
            self._pipeline.reconcile()
        if self._receiver is not None:
            self._receiver.start()  # may be refused: nothing else has begun
        if self._messages is not None:
            self._messages.start(self._ticks)
        if self._pipeline is not None:
            self._begin_to_work(self._pipeline)
        if self._console is not None:
            self._console.start()
        log.info("node_started", count=len(self.addresses))

    def stop(self) -> None:
        """End within ten seconds: associations drain, the model is killed; its job runs again at the next start."""
        log.info("node_stopping")
        self._stopping.set()
        if self._receiver is not None:
            self._receiver.stop(DRAIN_S)
        if self._messages is not None:
            self._messages.stop()
        if self._pipeline is not None:
            self._pipeline.stop()
        self._executor.close()
        if self._calendar.running:
            self._calendar.shutdown(wait=False)
        self._senders.shutdown(wait=False, cancel_futures=True)
        if self._console is not None:
            self._console.stop()
        self._wait(WAIT_S)
        # the claims end with the process: until then a thread may still be at work
        log.info("node_stopped")

    def reload(self) -> None:
        """Read rules and certificates again now; broken ones change nothing."""
        if self._receiver is not None:
            self._receiver.reload_certificates()
        if self._pipeline is not None:
            self._ticks.run("rules", self._pipeline.reload_rules)

    def _wait(self, at_most_s: float) -> None:
        """Wait for what is under way, but not longer; what was not confirmed is done again after the next start."""
        end = time.monotonic() + at_most_s
        wait(list(self._sending.values()), timeout=at_most_s)
        self._ticks.join(end - time.monotonic())

    # --- ticks

    def _begin_to_work(self, pipeline: Pipeline) -> None:
        ticks: Mapping[str, tuple[Callable[[], object], float]] = {
            "collect": (partial(collect_and_route, pipeline, self._ticks), COLLECT_EVERY_S),
            "infer": (partial(self._infer_all, pipeline), INFER_EVERY_S),
            "deliver": (partial(self._deliver_all, pipeline), DELIVER_EVERY_S),
            "rules": (pipeline.reload_rules_if_changed, RULES_EVERY_S),
        }
        for name, (tick, seconds) in ticks.items():
            self._ticks.start(name, tick, every_s=seconds)
        if self._settings.completeness.count_from is not None:
            self._ticks.start("ask archive", pipeline.ask_archive, every_s=COLLECT_EVERY_S)
        self._calendar.add_job(partial(self._ticks.run, "expire", self._expire), "interval", hours=1)
        self._calendar.add_job(partial(self._ticks.run, "make room", self._make_room), "interval", minutes=1)
        self._calendar.start()

    def _infer_all(self, pipeline: Pipeline) -> None:
        while not self._stopping.is_set() and pipeline.infer():
            self._ticks.ended_well("infer")

    def _deliver_all(self, pipeline: Pipeline) -> None:
        """Give every destination a thread of its own, so that a slow one holds up none of the others."""
        for name in pipeline.destinations_due():
            if self._stopping.is_set():
                return
            if name not in self._sending or self._sending[name].done():
                deliver = partial(self._ticks.run, "deliver", partial(pipeline.deliver, name))
                self._sending[name] = self._senders.submit(deliver)

    def _expire(self) -> None:
        deleted = expire(self._ledger, self._spool, open_results(self._settings), before=self._keep_since())
        log.info("expired", count=deleted)
        self._forget()

    def _make_room(self) -> None:
        """Delete what may go as soon as space is short, and not only once an hour."""
        needed_bytes = int(self._settings.retention.min_free_gib * GIB)
        results = open_results(self._settings)
        deleted = make_room(self._ledger, self._spool, results, needed_bytes=needed_bytes, before=self._keep_since())
        if deleted:
            log.warning("expired", count=deleted, reason="space is short")

    def _keep_since(self) -> datetime:
        return limit(SystemClock().now(), self._settings.retention.keep_days)

    def _forget(self) -> None:
        """Delete from the ledger what is kept for a while: facts, settled requests, performed steps, associations."""
        self._ledger.facts.expire(self._keep_since())
        self._ledger.commitments.forget(self._keep_since())
        self._ledger.performed_steps.forget(self._keep_since())
        self._ledger.audit_trail.forget(limit(SystemClock().now(), self._settings.audit.keep_days))

    # --- health

    def _open_console(self) -> HttpServer:
        where = self._settings.console
        try:
            return HttpServer(console(self.problems, self._metrics), host=where.host, port=where.port)
        except OSError as error:
            raise RefusedToStart(f"console: {where.host}:{where.port} cannot be taken: {error.strerror}") from error

    def problems(self) -> Sequence[str]:
        """Return what keeps this process from working, one sentence each."""
        return problems(
            {"disk": self._disk, "ledger": self._ledger_answers, "engine": self._engine, "rules": self._rules}
        )

    def _disk(self) -> str | None:
        free, needed = self._spool.free_bytes() / GIB, self._settings.retention.min_free_gib
        return None if free >= needed else f"{free:.1f} GiB are free, {needed:g} are needed: nothing is taken"

    def _ledger_answers(self) -> str | None:
        try:
            self._ledger.ping()
        except SQLAlchemyError as error:
            return f"does not answer ({type(error).__name__})"
        return None

    def _engine(self) -> str | None:
        # the retention goes by the calendar: a clock that is set back makes it late, and nothing else
        limits_s = {
            "infer": self._settings.infer.timeout_s + STALLED_AFTER_S, "expire": math.inf, "make room": math.inf,
            "audit messages": math.inf,  # a slow receiver of messages keeps no image waiting
        }  # fmt: skip
        late = self._ticks.late(limits_s, otherwise_s=STALLED_AFTER_S)
        return f"{', '.join(late)} did not end well for a while: see the log" if late else None

    def _rules(self) -> str | None:
        return None if self._pipeline is None else self._pipeline.rules_problem

    def _metrics(self) -> Sequence[Metric]:
        receiver = self._receiver
        return list(
            metrics(
                self._ledger,
                free_bytes=self._spool.free_bytes,
                received=lambda: () if receiver is None else receiver_metrics(receiver.counters.snapshot()),
                ready=lambda: not self.problems(),
            )
        )


def collect_and_route(pipeline: Pipeline, ticks: Ticks) -> None:
    """Close what is complete and decide on it; a pass over many series moves on with each of them."""
    moved_on = partial(ticks.ended_well, "collect")
    pipeline.collect(moved_on)
    pipeline.route(moved_on)
