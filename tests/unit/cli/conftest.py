"""Runs commands as a shell would, in this process; a folder in which a node has run."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import any_contrast_bundle
import pytest
from fake_clock import FakeClock
from harness import Harness
from made_series import TRANSPORT, a_few, encoded, key_of

from dicom_node.cli import main

T1_ONLY = "test-t1-only"

NODE = """\
data_dir: var
rules: var/rules.yaml
infer: {models: [var/models]}
retention: {min_free_gib: 0}
listen: {port: 0}
console: {port: 0}
"""


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self
        return json.loads(self.out, parse_constant=pytest.fail)  # NaN is not JSON

    @property
    def refusal(self) -> str:
        """The one line of a refused input."""
        assert (self.status, self.out, self.err.count("\n")) == (1, "", 1), self
        return self.err


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Return what runs a command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["dicom-node", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        return Outcome(code if isinstance(code, int) else 0, *capsys.readouterr())

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield run
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    logging.disable(logging.NOTSET)
    logging.captureWarnings(capture=False)


@pytest.fixture(scope="session")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a node with one job each that was DELIVERED, FAILED and HELD, and an IGNORED series.

    An instance of the first series came again with other content.
    """
    folder = tmp_path_factory.mktemp("worked")
    (folder / "var").mkdir()
    (folder / "node.yaml").write_text(NODE)
    node = Harness(folder / "var", FakeClock())
    delivered = a_few()
    node.receive(delivered)
    node.run_all()
    changed = delivered[0]
    changed.SeriesDescription = "something else"
    node.spool.put(key_of(changed), TRANSPORT, encoded(changed))
    localizer = a_few(description="Localizer")[:5]
    node.receive(localizer)
    node.run_all()
    node.pacs["PACS"].refuses = {"1.2": 0xA900}
    node.receive(a_few())
    node.run_all()
    gap = a_few()
    node.receive(gap[:9] + gap[10:])
    for _ in range(2):
        node.run_all()
        node.clock.advance(seconds=60)
    node.run_all()
    node.ledger.close()
    _write_t1_only(folder / "var" / "models", folder / "new")
    return folder


def _write_t1_only(models: Path, scratch: Path) -> None:
    """Add a bundle that minds the contrast, as the shipped ones do."""
    bundle = any_contrast_bundle.write(scratch)
    manifest = bundle / "model.yaml"
    text = manifest.read_text().replace("contrasts: any", "contrasts: [T1]")
    manifest.write_text(text.replace(f"name: {any_contrast_bundle.NAME}", f"name: {T1_ONLY}"))
    bundle.rename(models / T1_ONLY)


@pytest.fixture
def config(worked: Path) -> tuple[str, Path]:
    """Return the option that names the node of `worked`."""
    return ("--config", worked / "node.yaml")
