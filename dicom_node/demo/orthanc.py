"""Orthanc as the PACS of the demo, in a network namespace in which only the loopback interface is up.

Orthanc 1.10 listens on all addresses of the machine and cannot be told otherwise. So the demo starts itself again
inside a namespace of its own, and Orthanc, node and scanner all live there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from dicom_node.demo.node import LOOPBACK, free_ports, stop
from dicom_node.errors import RefusedToStart

INSIDE = "--inside-namespace"
"""The option that tells the demo that it was started by `enter_namespace`."""
STARTED_WITHIN_S = 60.0
_UNSHARE = (["unshare", "--net"], ["unshare", "--map-root-user", "--net"])
_LOOPBACK_UP = ["ip", "link", "set", "lo", "up"]
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def enter_namespace(arguments: Sequence[str]) -> NoReturn:
    """Replace this process by the same demo inside a network namespace.

    Raises
    ------
    RefusedToStart
        When Orthanc, unshare or ip is missing, or this user may not make a namespace.
    """
    missing = [tool for tool in ("Orthanc", "unshare", "ip") if shutil.which(tool) is None]
    if missing:
        raise RefusedToStart(
            f"PACS=orthanc needs {', '.join(missing)}: on Debian `apt-get install orthanc util-linux iproute2`; "
            "without PACS=orthanc the embedded PACS is used"
        )
    for command in _UNSHARE:
        tried = subprocess.run([*command, *_LOOPBACK_UP], capture_output=True, check=False)
        if tried.returncode == 0:
            demo = [sys.executable, "-m", "dicom_node.demo", INSIDE, *arguments]
            os.execvp(command[0], [*command, *demo])
    raise RefusedToStart(
        "PACS=orthanc needs a network namespace, which is not allowed here (a container without CAP_SYS_ADMIN?); "
        "without PACS=orthanc the embedded PACS is used"
    )


def bring_loopback_up() -> None:
    """Bring up the loopback interface of a namespace that was just entered."""
    subprocess.run(_LOOPBACK_UP, check=True)


class OrthancPacs:
    """A running Orthanc, as long as the context lasts.

    Parameters
    ----------
    folder
        Holds its storage, index, configuration and log; made when it is not there.

    Raises
    ------
    RefusedToStart
        When it ends or does not answer within `STARTED_WITHIN_S`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ae_title = "ORTHANC"
        self.port, self.http_port = free_ports(2)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration(), indent=2), encoding="utf-8")
        self._log = self.folder / "orthanc.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["Orthanc", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            stop(self._process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stop(self._process)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def _configuration(self) -> dict[str, object]:
        return {
            "Name": "dicom-node demo",
            "StorageDirectory": str((self.folder / "storage").absolute()),
            "IndexDirectory": str((self.folder / "storage").absolute()),
            "Plugins": [],
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,  # nobody else is in the namespace
            "DicomAet": self.ae_title,
            "DicomPort": self.port,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
        }

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + STARTED_WITHIN_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RefusedToStart(f"Orthanc did not start: see {self._log}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with _WITHOUT_PROXY.open(f"http://{LOOPBACK}:{self.http_port}/system", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
