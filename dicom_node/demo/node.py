"""The node of the demo: its configuration in the output folder, and `dicom-node serve` as a child process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ruamel.yaml import YAML

from dicom_node.errors import RefusedToStart

LOOPBACK = "127.0.0.1"
SETTLE_S, SILENCE_S = 1, 6
"""Shorter than a hospital would want: nobody else sends to the demo's node."""
READY_WITHIN_S, STOPPED_WITHIN_S = 60.0, 15.0
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Configuration:
    """The files that the demo's node runs on, and where it listens."""

    node_yaml: Path
    rules: Path
    data_dir: Path
    ae_title: str
    port: int
    console_port: int


def configure(folder: Path, rules: Path, *, pacs_ae_title: str, pacs_port: int) -> Configuration:
    """Write node.yaml, and the rules with every destination replaced by the demo's PACS, into a folder."""
    port, console_port = free_ports(2)
    made = Configuration(
        node_yaml=folder / "node.yaml",
        rules=folder / "routing_rules.yaml",
        data_dir=folder / "node",
        ae_title="HARMONIZE",
        port=port,
        console_port=console_port,
    )
    pacs = {"kind": "dicom", "host": LOOPBACK, "port": pacs_port, "ae_title": pacs_ae_title}
    redirect_rules(rules, made.rules, pacs)
    settings: dict[str, Any] = {
        "ae_title": made.ae_title,
        "listen": {"host": LOOPBACK, "port": port},
        "data_dir": made.data_dir.name,
        "rules": made.rules.name,
        "completeness": {"settle_s": SETTLE_S, "silence_s": SILENCE_S},
        "deliver": {"retry_first_s": 2, "retry_max_s": 10},
        "console": {"host": LOOPBACK, "port": console_port},
        "retention": {"min_free_gib": 0.25},
    }
    with made.node_yaml.open("w", encoding="utf-8") as file:
        YAML().dump(settings, file)
    return made


def redirect_rules(source: Path, target: Path, destination: dict[str, Any]) -> None:
    """Copy a rules file, which must be right, with each destination replaced: nothing leaves this machine."""
    yaml = YAML()
    rules = yaml.load(source.read_text(encoding="utf-8"))
    for name in rules["destinations"]:
        rules["destinations"][name] = dict(destination)
    with target.open("w", encoding="utf-8") as file:
        yaml.dump(rules, file)


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class NodeProcess:
    """`dicom-node serve`, as long as the context lasts.

    Parameters
    ----------
    configuration
        What it runs on.
    log
        Takes its standard output and error.
    """

    def __init__(self, configuration: Configuration, log: Path) -> None:
        self._configuration = configuration
        self._log = log

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "dicom_node", "serve", "--config", str(self._configuration.node_yaml)]
        # Variables of the user's own node would go before the file that was just written
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DICOM_NODE__")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends the node
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stop(self._process)

    @property
    def has_ended(self) -> bool:
        """Tell whether the process is gone."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """Return the last line that it wrote."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")

    def wait_until_ready(self) -> None:
        """Wait for it.

        Raises
        ------
        RefusedToStart
            When it ends or is not ready within `READY_WITHIN_S`; with the last line that it said.
        """
        until = time.monotonic() + READY_WITHIN_S
        while not is_ready(self._configuration.console_port):
            if self.has_ended:
                raise RefusedToStart(f"the node did not start: {self.last_words()}")
            if time.monotonic() > until:
                raise RefusedToStart(f"the node was not ready after {READY_WITHIN_S:g} s: {self.last_words()}")
            time.sleep(0.1)


def is_ready(console_port: int) -> bool:
    """Tell whether `GET /readyz` answers 200."""
    try:
        with _WITHOUT_PROXY.open(f"http://{LOOPBACK}:{console_port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a child: SIGTERM, and SIGKILL when it has not ended within `STOPPED_WITHIN_S`."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
