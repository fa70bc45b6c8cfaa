"""A process that keeps models warm and runs them, one request at a time: ``python -m inference.worker --models DIR``.

Requests and answers are lines of JSON on standard input and output; voxels travel as ``.npy`` files in a scratch folder
that the request names. The process ends when its standard input closes.

::

    {"id": 7, "model": "harmonize-nyul", "digest": "9f…", "target": "siemens-3t", "target_digest": null,
     "output": "result", "scratch": "/…", "affine": [[…], …], "unit": "1",
     "limit_s": 600}                                                            the voxels stand in input.npy
    {"id": 7, "ok": true, "affine": …, "unit": "1", "numbers": {…}, "seconds": 0.8, "device": "cpu"}    … in output.npy
    {"id": 7, "ok": false, "kind": "refused", "message": "…"}  kind is refused (the input is at fault) or failed

A ``target_digest`` says that the target is a look or a style which the site added; it is read from the folder of these.
With ``"read": "style"`` in place of ``target`` and ``output`` the volume is a reference, and the answer holds what the
model's own encoder reads in it: ``{…, "style": […], "seconds": 0.4, "device": "cpu"}``.
Messages hold nothing of the voxels: of an unforeseen error only its class and place are told.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from inference.added import Added, AddedLooks
from inference.added_style import AddedStyle
from inference.aim import unfit_style
from inference.bundle import Bundle
from inference.errors import BundleRefused, DeviceUnavailable, ModelRefused
from inference.model import Model, ask, read_style
from inference.output import Output
from inference.registry import Registry, load
from inference.volume import Volume

INPUT, OUTPUT = "input.npy", "output.npy"
_GRACE_S = 5


class Worker:
    """Answers requests.

    Parameters
    ----------
    folders
        Folders of bundles.
    device
        ``auto``, ``cpu`` or ``cuda:<n>``.
    added
        The looks and styles that the site added.
    """

    def __init__(self, folders: Sequence[Path], device: str, *, added: AddedLooks | None = None) -> None:
        self._folders = folders
        self._device = device
        self._added = added
        self._warm: dict[str, tuple[Bundle, Model]] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run one request; see the module for its form."""
        try:
            return {"id": request["id"], "ok": True, **self._run(request)}
        except ModelRefused as error:
            return {"id": request["id"], "ok": False, "kind": "refused", "message": str(error)}
        except (BundleRefused, DeviceUnavailable) as error:
            return {"id": request["id"], "ok": False, "kind": "failed", "message": str(error)}
        except Exception as error:  # the boundary of this process: a model may raise anything
            place = traceback.extract_tb(error.__traceback__)[-1]
            sys.stderr.writelines(traceback.format_tb(error.__traceback__))
            message = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            return {"id": request["id"], "ok": False, "kind": "failed", "message": message}

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        bundle, model = self._model(request["model"], request["digest"])
        scratch = Path(request["scratch"])
        volume = Volume(
            np.load(scratch / INPUT, allow_pickle=False), np.array(request["affine"], np.float64), request["unit"]
        )
        if reasons := bundle.manifest.input.volume_violations(volume):
            raise ModelRefused("; ".join(reasons))
        if request.get("read") == "style":
            return _style(model, volume)
        target = self._target(request["target"], request.get("target_digest"), bundle)
        started = time.perf_counter()
        result = ask(model, volume, target=target, output=Output(request.get("output", Output.RESULT)))
        seconds = time.perf_counter() - started
        np.save(scratch / OUTPUT, result.volume.voxels, allow_pickle=False)
        return {
            "affine": result.volume.affine.tolist(),
            "unit": result.volume.unit,
            "numbers": {name: float(number) for name, number in result.numbers.items()},
            "seconds": seconds,
            "device": model.device,
        }

    def _target(self, name: str | None, digest: str | None, bundle: Bundle) -> str | Added | None:
        """Return the look or style that was meant, the very one: it may be replaced while we run."""
        if digest is None or name is None:
            return name
        if self._added is None:
            raise BundleRefused(f"there is no folder of added targets, and so no '{name}'")
        look = self._added.get(name)
        if look.digest != digest:
            raise BundleRefused(f"target {name} is no longer the one that the job was made for")
        if isinstance(look, AddedStyle) and (reason := unfit_style(bundle, look)):
            raise ModelRefused(f"model {bundle.manifest.name} cannot aim at '{name}': {reason}")
        return look

    def _model(self, name: str, digest: str) -> tuple[Bundle, Model]:
        """Return the model that was asked for, the very version: a bundle may be replaced while we run."""
        if name not in self._warm or self._warm[name][0].digest != digest:
            bundle = Registry(self._folders).get(name)
            if bundle.digest != digest:
                raise BundleRefused(f"model {name} is no longer the one that the job was made for")
            self._warm[name] = (bundle, load(bundle, device=self._device))
        return self._warm[name]


def _style(model: Model, volume: Volume) -> dict[str, Any]:
    started = time.perf_counter()
    numbers = [float(number) for number in read_style(model, volume)]
    return {"style": numbers, "seconds": time.perf_counter() - started, "device": model.device}


def _serve(worker: Worker, requests: IO[str], answers: IO[str]) -> None:
    for line in requests:
        request = json.loads(line)
        # Should the caller die while a model hangs, nobody is left to kill us: the alarm does it.
        signal.alarm(int(request["limit_s"]) + _GRACE_S)
        answer = worker.answer(request)
        signal.alarm(0)
        try:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
        except BrokenPipeError:
            return


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve standard input until it closes."""
    parser = argparse.ArgumentParser(prog="python -m inference.worker", description="Keeps models warm and runs them.")
    parser.add_argument("--models", type=Path, action="append", required=True, help="a folder of bundles; may repeat")
    parser.add_argument("--targets", type=Path, help="the folder of added looks")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:0")
    options = parser.parse_args(arguments)
    # Whatever a library prints must not stand between the answers: descriptor 1 becomes standard error.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        added = None if options.targets is None else AddedLooks(options.targets)
        _serve(Worker(options.models, options.device, added=added), sys.stdin, answers)


if __name__ == "__main__":
    main()
