"""A real node as a process of its own, which a test may kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import any_contrast_bundle
from pydicom import Dataset
from pynetdicom import AE
from until import until

from dicom_node.dimse.library import prepare_library
from dicom_node.domain.job import Job
from dicom_node.spool.ledger import Ledger

STARTED_WITHIN_S = 240.0
"""Only ends a test that would hang: on a machine that does much else a start has taken more than a minute."""
NODE = """\
listen: {{port: 0}}
console: {{port: 0}}
data_dir: var
rules: rules.yaml
completeness: {{settle_s: 0.5, silence_s: 3}}
infer: {{models: [models]}}
deliver: {{retry_first_s: 0.2, retry_max_s: 1}}
retention: {{min_free_gib: 0}}
log: {{level: debug}}
{more}
"""
RULES = """\
version: 1
destinations:
  pacs: {{kind: dicom, host: 127.0.0.1, port: {port}, ae_title: {ae_title}}}
rules:
  - name: any MR
    when: {when}
    run: {{model: test-any-contrast, target: plain}}
    send: [pacs]
"""


class NodeProcess:
    """A node on a folder; entering starts it, leaving ends it."""

    def __init__(
        self, folder: Path, pacs_port: int, *, ae_title: str = "PACS", more: str = "", when: str = "{Modality: MR}"
    ) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "node.yaml").write_text(NODE.format(more=more))
        (folder / "rules.yaml").write_text(RULES.format(port=pacs_port, ae_title=ae_title, when=when))
        if not (folder / "models").exists():
            any_contrast_bundle.write(folder / "models")
        self.log = folder / "node.log"
        self.log.touch()

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dicom_node", "serve"],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        starts = len(self.ports("http")) + 1
        until(lambda: self.process.poll() is not None or len(self.ports("http")) == starts, limit_s=STARTED_WITHIN_S)
        until(lambda: self.process.poll() is not None or self.get("/readyz")[0] == 200, limit_s=STARTED_WITHIN_S)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=30)

    def ports(self, what: str) -> list[int]:
        """Return the ports that every start so far has named."""
        return [int(port) for port in re.findall(rf"^{what}: port (\d+)$", self.log.read_text(), re.MULTILINE)]

    def get(self, path: str) -> tuple[int, str]:
        address = f"http://127.0.0.1:{self.ports('http')[-1]}{path}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def kill(self) -> None:
        """End it as a power cut would: no handler runs."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def send(self, series: Sequence[Dataset], *, calling_ae: str = "SCANNER") -> list[str]:
        """Send instances on one association; return the UIDs that were acknowledged with 0000 before it ended."""
        prepare_library()
        entity = AE(ae_title=calling_ae)
        entity.dimse_timeout = entity.network_timeout = 10
        entity.add_requested_context(series[0].SOPClassUID, series[0].file_meta.TransferSyntaxUID)
        association = entity.associate("127.0.0.1", self.ports("dicom")[-1], ae_title="HARMONIZE")
        assert association.is_established
        acknowledged: list[str] = []
        connection = association.dul.socket.socket  # pynetdicom leaves it open when the connection is lost
        for ds in series:
            if not association.is_established:
                connection.close()
                return acknowledged
            if association.send_c_store(ds).get("Status") == 0x0000:
                acknowledged.append(str(ds.SOPInstanceUID))
        association.release()
        return acknowledged

    def jobs(self) -> list[Job]:
        ledger = Ledger(f"sqlite:///{self.folder / 'var' / 'ledger.sqlite'}")
        try:
            return ledger.jobs()
        finally:
            ledger.close()

    def states(self) -> list[Any]:
        return [job.state.value for job in self.jobs()]
