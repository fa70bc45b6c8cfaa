"""Health, readiness and metrics over HTTP; the admin's console grows from here."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Sequence

import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from dicom_node.log import culprit

log = structlog.get_logger()

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def console(problems: Callable[[], Sequence[str]], metrics: Callable[[], Iterable[Metric]]) -> FastAPI:
    """Return the HTTP application.

    Parameters
    ----------
    problems
        Says what keeps the node from working, one sentence each; empty when it is ready.
    metrics
        Yields the metrics as they are now.
    """
    app = FastAPI(title="dicom-node", docs_url=None, redoc_url=None, openapi_url=None)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(metrics))

    @app.exception_handler(Exception)
    def broken(request: Request, error: Exception) -> Response:
        """Answer that something broke; what it was stands in the log, without its message."""
        log.error("http_failed", where=request.url.path, error=culprit(error))
        return Response("the node failed to answer: see its log\n", status_code=500, media_type="text/plain")

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Answer that the process is alive."""
        return {"status": "alive"}

    @app.get("/readyz")
    def readyz(response: Response) -> dict[str, str | list[str]]:
        """Answer 200 when series can be received and worked on, else 503 with the reasons."""
        found = list(problems())
        response.status_code = 503 if found else 200
        return {"status": "not ready" if found else "ready", "reasons": found}

    @app.get("/metrics")
    def prometheus() -> Response:
        """Answer in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=PROMETHEUS_TEXT)

    return app


class HttpServer:
    """Serves an application from a thread of its own.

    Parameters
    ----------
    app
        From `console`.
    host, port
        Where to listen; port 0 takes a free one.

    Raises
    ------
    OSError
        When the address cannot be taken.
    """

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="console", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        self._server.should_exit = True
        if self._thread.ident is not None:  # one that never began cannot be waited for
            self._thread.join(timeout=5)
        self._socket.close()


class _Collected(Collector):
    def __init__(self, metrics: Callable[[], Iterable[Metric]]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics()
