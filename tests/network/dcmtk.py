"""Runs DCMTK's tools, or skips the test with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

ENVIRONMENT = os.environ | {"TCP_NODELAY": "1"}  # without it DCMTK waits 40 ms for each answer


def tool(name: str) -> str:
    # pynetdicom installs programs of the same names into its environment
    path = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin")
    if path is None:
        pytest.skip(f"DCMTK's {name} is not installed")
    return path


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [tool(name), *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
