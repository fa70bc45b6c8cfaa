"""The listening socket: accepts connections, each into a thread of its own, and does nothing else."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable

import structlog

from dicom_node.errors import RefusedToStart

_BACKLOG = 512  # a burst of senders must not wait for retransmitted SYNs; the kernel caps it
_PAUSE_S = 0.1  # when no more files can be opened: until then connections wait in the backlog

log = structlog.get_logger()


class Listener:
    """Listens from construction on, accepts from `start` on.

    Parameters
    ----------
    host, port
        To listen on; port 0 takes a free one.
    on_connection
        Called with each connection and the peer's address, in a thread that accepts no others meanwhile: it hands
        the connection on at once.

    Raises
    ------
    RefusedToStart
        When the address cannot be listened on.
    """

    def __init__(self, host: str, port: int, on_connection: Callable[[socket.socket, str], None]) -> None:
        self._on_connection = on_connection
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise RefusedToStart(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
        self._socket.setblocking(False)
        self._waker, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for each in (self._socket, self._woken):
            self._selector.register(each, selectors.EVENT_READ)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dicom-listener", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; connections that nobody has accepted are refused by the kernel."""
        self._stopping.set()
        self._waker.send(b"\0")
        if self._thread.is_alive():
            self._thread.join()
        for each in (self._selector, self._socket, self._waker, self._woken):
            each.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._selector.select()
            self._accept()

    def _accept(self) -> None:
        try:
            connection, address = self._socket.accept()
        except BlockingIOError:  # it was `stop` that woke us, or the peer has gone again
            return
        except OSError as error:  # the peer has gone, or no file is left to open
            log.warning("accept_failed", reason=error.strerror or type(error).__name__)
            self._stopping.wait(_PAUSE_S)
            return
        self._on_connection(connection, str(address[0]))
