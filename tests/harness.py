"""A whole pipeline in one process: a real spool, ledger, rules and model; a clock and a PACS that the test moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import any_contrast_bundle
import look_bundle
from fake_clock import FakeClock
from made_series import TRANSPORT, encoded, key_of
from pydicom import Dataset, dcmread

from dicom_node.assemble.collector import Collector
from dicom_node.domain.job import Job
from dicom_node.domain.ports import DeliveryReport, InferenceOutcome, InferenceRequest, Performed
from dicom_node.domain.series import Series
from dicom_node.errors import DeliveryDeferred, JobHeld
from dicom_node.holdings import catalogue
from dicom_node.parts import Parts
from dicom_node.pipeline import Pipeline
from dicom_node.route.live import LiveRules
from dicom_node.settings import Completeness, Settings
from dicom_node.spool.instances import Spool
from dicom_node.spool.ledger import Ledger
from dicom_node.spool.results import Results
from inference.added import AddedLooks
from inference.errors import ModelRefused
from inference.model import ask
from inference.registry import SHIPPED, Registry, load

RULES = """\
version: 1
destinations:
  pacs: {kind: dicom, host: 127.0.0.1, port: 4242, ae_title: PACS}
  tps: {kind: dicom, host: 127.0.0.1, port: 4243, ae_title: TPS}
rules:
  - name: every T1
    when: {Modality: MR, contrast: T1}
    run: {model: test-any-contrast, target: plain}
    send: [pacs]
"""


class MemoryPacs:
    """A destination that keeps what it is sent, and fails as the test asks."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.sent = 0
        self.down = False
        self.refuses: Mapping[str, int] = {}

    def send(self, paths: Sequence[Path]) -> DeliveryReport:
        if self.down:
            raise DeliveryDeferred("connection refused by 127.0.0.1:4242: is the PACS running?")
        for path in paths:
            self.sent += 1
            uid = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
            assert self.held.setdefault(uid, path.read_bytes()) == path.read_bytes(), "other bytes under the same UID"
        return DeliveryReport(len(paths), refused=self.refuses)

    def echo(self) -> None: ...

    def series(self) -> dict[str, int]:
        headers = (dcmread(BytesIO(content), stop_before_pixels=True) for content in self.held.values())
        return dict(Counter(str(header.SeriesInstanceUID) for header in headers))


class HereExecutor:
    """Runs the model in this process; `error` makes it break."""

    def __init__(self, registry: Registry, added: AddedLooks | None = None) -> None:
        self._registry = registry
        self._added = added
        self.error: Exception | None = None
        self.ran = 0

    def run(self, request: InferenceRequest) -> InferenceOutcome:
        self.ran += 1
        if self.error is not None:
            raise self.error
        bundle = self._registry.get(request.model)
        assert bundle.digest == request.digest
        if request.target_digest is not None and self._added is not None:
            return look_bundle.outcome(request, self._added)
        try:
            result = ask(load(bundle), request.volume, target=request.target, output=request.output)
        except ModelRefused as refusal:
            raise JobHeld(str(refusal)) from None
        return InferenceOutcome(result.volume, result.numbers, 0.0, "cpu")

    def close(self) -> None: ...


class Harness:
    """A node without network: `receive`, `tick`, and look at what became of it."""

    def __init__(self, folder: Path, clock: FakeClock, *, rules: str = RULES, late: str = "replace") -> None:
        self.folder, self.clock = folder, clock
        self.rules_file = folder / "rules.yaml"
        if not self.rules_file.exists():
            self.rules_file.write_text(rules)
            any_contrast_bundle.write(folder / "models")
        self.added = AddedLooks(folder / "targets")
        self.registry = Registry([SHIPPED, folder / "models"], self.added)
        self.spool = Spool(folder / "spool")
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
        self.results = Results(folder / "derived")
        self.executor = HereExecutor(self.registry, self.added)
        self.pacs: dict[str, MemoryPacs] = {"PACS": MemoryPacs(), "TPS": MemoryPacs()}
        self.settings = Settings(completeness=Completeness(settle_s=2, silence_s=30, late=late))  # type: ignore[arg-type]
        self.start()

    def start(self, performed: Performed | None = None) -> None:
        """Begin as a node does after any end: nothing is known but what is on the disk."""
        parts = Parts(
            spool=self.spool,
            results=self.results,
            ledger=self.ledger,
            collector=Collector(self.clock, settle_s=2, silence_s=30),
            rules=LiveRules(self.rules_file, partial(catalogue, self.registry), self._publish),
            registry=self.registry,
            executor=self.executor,
            destination=self._destination,
            clock=self.clock,
            settings=self.settings,
            serial_number="TEST",
            performed=performed or self.ledger.performed_steps,
        )
        self.pipeline = Pipeline(parts)
        self.pipeline.reconcile()

    def _publish(self, text: str, author: str) -> None:
        self.ledger.rules.publish(text, author=author, at=self.clock.now())

    def _destination(self, settings: Mapping[str, Any]) -> MemoryPacs:
        return self.pacs[settings["ae_title"]]

    def receive(self, series: Sequence[Dataset]) -> None:
        for ds in series:
            self.spool.put(key_of(ds), TRANSPORT, encoded(ds))

    def close_series(self) -> None:
        """Let the settle time pass, and have what is complete routed."""
        self.pipeline.collect()
        self.clock.advance(seconds=2.5)
        self.pipeline.collect()
        self.pipeline.route()

    def run_all(self) -> None:
        """Go on until nothing is left to do now."""
        self.close_series()
        while self.pipeline.infer():
            pass
        for name in self.pipeline.destinations_due():
            self.pipeline.deliver(name)

    @property
    def series(self) -> Series:
        (only,) = self.ledger.series()
        return only

    @property
    def job(self) -> Job:
        (only,) = self.ledger.jobs()
        return only
