"""How pynetdicom is set up in every process of the node: silent, sending files as they are, closing what it opens."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import Any

from pynetdicom import _config
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

_serve_request = Association._serve_request


def prepare_library() -> None:
    """Set up pynetdicom for this process; called again, it does no harm.

    Its log lines quote what peers send, patient names among it, so none is let out at any level. Files are sent as
    they lie on disk, byte for byte, instead of being decoded and encoded again. Sockets are closed also when the peer
    has gone before. A response that the wrong thread took is given back.
    """
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    _config.LOG_HANDLER_LEVEL = "none"
    _config.STORE_SEND_CHUNKED_DATASET = True
    # setattr: mypy knows these as methods, not as variables
    setattr(AssociationSocket, "_shutdown_socket", _shut_down)  # noqa: B010
    setattr(Association, "_serve_request", _serve_or_give_back)  # noqa: B010


def _shut_down(self: AssociationSocket) -> None:
    """Close a socket; pynetdicom's own leaves it open when shutdown() fails, as it does on a refused connection."""
    if self.socket is None:
        return
    with contextlib.suppress(OSError):
        self.socket.shutdown(socket.SHUT_RDWR)
    self.socket.close()


def _serve_or_give_back(self: Association, message: Any, context_id: int) -> None:
    """Serve a request; but as the one who sends, put a response back for the sender that waits for it.

    A requestor's own thread is to pause while it sends. Pynetdicom 3.0.4 believes in that pause as soon as the thread
    has begun to wait, also when it is just being woken: about one response in a thousand was then taken by that thread
    and dropped on a busy machine, and the sender waited for it until its time-out.
    """
    # a peer that was asked for storage commitment may report on it here: that is a request, for this thread
    if self.is_requestor and getattr(message, "MessageIDBeingRespondedTo", None) is not None:
        self.dimse.msg_queue.put((context_id, message))
    else:
        _serve_request(self, message, context_id)
