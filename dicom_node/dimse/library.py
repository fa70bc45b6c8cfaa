"""How pynetdicom is set up in every process of the node: silent, sending files as they are, closing what it opens."""

from __future__ import annotations

import contextlib
import logging
import socket

from pynetdicom import _config
from pynetdicom.transport import AssociationSocket


def prepare_library() -> None:
    """Set up pynetdicom for this process; called again, it does no harm.

    Its log lines quote what peers send, patient names among it, so none is let out at any level. Files are sent as
    they lie on disk, byte for byte, instead of being decoded and encoded again. Sockets are closed also when the peer
    has gone before.
    """
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    _config.LOG_HANDLER_LEVEL = "none"
    _config.STORE_SEND_CHUNKED_DATASET = True
    setattr(AssociationSocket, "_shutdown_socket", _shut_down)  # noqa: B010 mypy knows it as a method, not a variable


def _shut_down(self: AssociationSocket) -> None:
    """Close a socket; pynetdicom's own leaves it open when shutdown() fails, as it does on a refused connection."""
    if self.socket is None:
        return
    with contextlib.suppress(OSError):
        self.socket.shutdown(socket.SHUT_RDWR)
    self.socket.close()
