"""``dicom-node serve``: the node itself."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from enum import StrEnum
from typing import Annotated

import typer

from dicom_node.cli.options import Config, example, settings_of

EXAMPLE = example("dicom-node serve --config /etc/dicom-node/node.yaml", "dicom-node serve --role receiver")
END_WITHIN_S = 9.5
WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class RoleName(StrEnum):
    """What the process does."""

    ALL = "all"
    RECEIVER = "receiver"
    ENGINE = "engine"
    CONSOLE = "console"


def serve(
    config: Config = None,
    role: Annotated[RoleName, typer.Option(help="Everything, or one part beside other processes.")] = RoleName.ALL,
) -> None:
    """Run the node until SIGTERM or Ctrl-C; SIGHUP reads rules and certificates again.

    Series that arrive on listen.port are stored, routed by the rules, and their derived series sent.
    """
    # blocked before any thread is there and taken by sigwait: a handler could come between a look and a wait
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    os.umask(0o027)  # the ledger, which SQLite makes, is for those who may read the images
    gc.disable()  # what the libraries make while they are imported stays: searching it again and again is in vain
    settings = settings_of(config)
    from dicom_node.log import set_up
    from dicom_node.node import Node
    from dicom_node.spool.identity import identity

    gc.freeze()
    gc.enable()
    set_up(form=settings.log.format, level=settings.log.level, salt=identity(settings.data_dir).salt)
    node = Node(settings, role.value)
    node.start()
    for what, port in node.addresses.items():
        print(f"{what}: port {port}", file=sys.stderr, flush=True)
    while signal.sigwait(WATCHED) == signal.SIGHUP:
        node.reload()
    _end_in_time()
    node.stop()


def _end_in_time() -> None:
    """Whatever still hangs in a thread, the process ends: all that counts is durable already."""
    timer = threading.Timer(END_WITHIN_S, os._exit, args=(0,))
    timer.daemon = True
    timer.start()
