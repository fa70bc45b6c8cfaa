"""The environment of a run: what a reader needs to run it again."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from training.evaluate.cache import simulator_digest
from training.evaluate.contestants import Named
from training.evaluate.results import Row

_LIBRARIES = ("dicom-node", "numpy", "scipy", "scikit-image", "scikit-learn", "torch", "SimpleITK", "matplotlib")
_CPU = Path("/proc/cpuinfo")


def environment(contestants: Iterable[Named], **settings: str | int | bool | None) -> dict[str, Any]:
    """Return versions, machine, commit, contestants and settings."""
    return {
        "settings": settings,
        "contestants": {each.name: each.digest for each in contestants},
        "simulator": simulator_digest(),
        "commit": _commit(),
        "python": sys.version.split()[0],
        "libraries": {name: version(name) for name in _LIBRARIES},
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
    }


def seconds_a_volume(rows: Iterable[Row]) -> Mapping[str, float]:
    """Return model -> median seconds a volume, among the rows."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.metric == "seconds":
            found.setdefault(row.model, []).append(row.value)
    return {model: round(float(np.median(values)), 3) for model, values in found.items()}


def write_environment(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``environment.json``."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _commit() -> str | None:
    """Return the commit of the checkout, with ``+`` where files differ from it; None outside of a checkout."""
    here = Path(__file__).parent
    asked = ["git", "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        return subprocess.run(asked, cwd=here, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu() -> str:
    if not _CPU.is_file():
        return platform.processor()
    names = [line for line in _CPU.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.processor()
