"""Runs models in a child process on this machine: kept warm, killed on time-out, started afresh when it is needed."""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from dicom_node.domain.ports import InferenceOutcome, InferenceRequest
from dicom_node.errors import JobHeld, ModelCrashed, ModelTimedOut
from dicom_node.infer.scratch import Scratch
from inference.volume import Float32Array, Volume
from inference.worker import INPUT, OUTPUT

_LONGEST_ANSWER = 1 << 20
_LOOK_AGAIN_S = 0.05
_RESULT, _STYLE = ("affine", "unit", "numbers", "seconds", "device"), ("style", "seconds", "device")
"""What an answer holds."""


class LocalExecutor:
    """Fulfils `dicom_node.domain.ports.Executor` with one child process.

    Parameters
    ----------
    model_folders
        Folders of bundles, the shipped ones first.
    device
        ``auto``, ``cpu`` or ``cuda:<n>``.
    timeout_s
        How long a model may take, its start included.
    scratch
        Folder for voxels on their way; made when it is not there.
    targets
        Folder of the looks and styles that the site added.
    command
        What to start instead of `inference.worker`.
    """

    def __init__(
        self,
        model_folders: Sequence[Path],
        *,
        device: str,
        timeout_s: float,
        scratch: Path,
        targets: Path | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        models = [argument for folder in model_folders for argument in ("--models", str(folder))]
        added = () if targets is None else ("--targets", str(targets))
        self._command = command or (sys.executable, "-m", "inference.worker", *models, *added, "--device", device)
        self._timeout_s = timeout_s
        self._scratch = Scratch(scratch)
        self._one_at_a_time = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._requests = 0

    def run(self, request: InferenceRequest) -> InferenceOutcome:
        """Run one model on one volume; see the port."""
        with self._one_at_a_time:
            if self._closed:
                raise ModelCrashed("the inference process was told to end")
            return self._run(request)

    def read_style(self, request: InferenceRequest) -> tuple[float, ...]:
        """Read the style of a reference; see the port `dicom_node.domain.ports.StyleReader`."""
        with self._one_at_a_time, self._scratch.folder() as folder:
            if self._closed:
                raise ModelCrashed("the inference process was told to end")
            return self._style(self._answer(request, folder, read="style"))

    def _run(self, request: InferenceRequest) -> InferenceOutcome:
        with self._scratch.folder() as folder:
            return self._outcome(self._answer(request, folder), folder)

    def _answer(self, request: InferenceRequest, folder: Path, **more: str) -> dict[str, Any]:
        """Have a request answered, and raise what the answer says where the model did not do its work."""
        _save(folder / INPUT, request.volume.voxels)
        answer = self._ask(request, folder, **more)
        if answer["ok"] is not True:
            error = JobHeld if answer["kind"] == "refused" else ModelCrashed
            raise error(str(answer["message"]))
        return answer

    def close(self) -> None:
        """End the child process, in the middle of its work if need be, and remove the scratch files.

        A `run` that is under way in another thread raises ModelCrashed.
        """
        self._closed = True
        while not self._one_at_a_time.acquire(timeout=_LOOK_AGAIN_S):
            self._signal()  # the thread that waits for the answer sees the end of it, and cleans up
        try:
            self._kill()
            self._scratch.close()
        finally:
            self._one_at_a_time.release()

    def _ask(self, request: InferenceRequest, folder: Path, **more: str) -> dict[str, Any]:
        self._requests += 1
        message = {
            "id": self._requests,
            "model": request.model,
            "digest": request.digest,
            "target": request.target,
            "target_digest": request.target_digest,
            "output": request.output,
            "scratch": str(folder),
            "affine": request.volume.affine.tolist(),
            "unit": request.volume.unit,
            "limit_s": math.ceil(self._timeout_s),
            **more,
        }
        deadline = time.monotonic() + self._timeout_s
        child = self._started()
        try:
            assert child.stdin is not None  # opened as a pipe below
            child.stdin.write(json.dumps(message).encode() + b"\n")
            child.stdin.flush()
            line = self._line(child, deadline)
        except (OSError, ModelCrashed, ModelTimedOut) as error:
            self._kill()
            if isinstance(error, OSError):
                raise ModelCrashed("the inference process ended before it took the job") from error
            raise
        return self._understood(line, _STYLE if more else _RESULT)

    def _line(self, child: subprocess.Popen[bytes], deadline: float) -> bytes:
        """Read one line from the child, but not past the deadline."""
        assert child.stdout is not None
        answers = select.poll()  # not select.select, which takes no descriptor above 1023
        answers.register(child.stdout, select.POLLIN)
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not answers.poll(left * 1000):
                raise ModelTimedOut(f"the model did not answer within {self._timeout_s:g} s")
            part = os.read(child.stdout.fileno(), 65536)
            if not part:
                raise ModelCrashed("the inference process ended in the middle of the job")
            line += part
            if len(line) > _LONGEST_ANSWER:
                raise ModelCrashed("the inference process answered with something that is no answer")
        return line

    def _understood(self, line: bytes, told: tuple[str, ...]) -> dict[str, Any]:
        try:
            answer = json.loads(line)
            wanted = told if answer["ok"] is True else ("kind", "message")
            if answer["id"] == self._requests and all(key in answer for key in wanted):
                return dict(answer)
        except (ValueError, TypeError, KeyError):
            pass
        self._kill()
        raise ModelCrashed("the inference process answered with something that is no answer")

    def _style(self, answer: dict[str, Any]) -> tuple[float, ...]:
        try:
            return tuple(float(number) for number in answer["style"])
        except (TypeError, ValueError) as error:
            self._kill()
            raise ModelCrashed("the inference process answered with something that is no answer") from error

    def _outcome(self, answer: dict[str, Any], folder: Path) -> InferenceOutcome:
        try:
            voxels = np.load(folder / OUTPUT, allow_pickle=False)
            return InferenceOutcome(
                Volume(voxels, np.array(answer["affine"], np.float64), str(answer["unit"])),
                {str(name): float(number) for name, number in answer["numbers"].items()},
                float(answer["seconds"]),
                str(answer["device"]),
            )
        except (OSError, ValueError, TypeError, AttributeError) as error:
            self._kill()
            raise ModelCrashed("the inference process left no volume behind") from error

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._kill()
        try:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # a group of its own: killed whole, and no Ctrl-C of a terminal reaches it
            )
        except OSError as error:
            raise ModelCrashed(f"the inference process cannot be started: {error.strerror}") from error
        return self._child

    def _signal(self) -> None:
        child = self._child
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

    def _kill(self) -> None:
        child = self._child
        if child is None:
            return
        self._signal()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not yet written is lost with the child
                    pipe.close()
        self._child = None


def _save(path: Path, voxels: Float32Array) -> None:
    """Write voxels, and pass on why where they cannot be: NumPy's own message of a full disk has no errno."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(voxels))
        file.write(np.ascontiguousarray(voxels).data)
