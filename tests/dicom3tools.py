"""What dciodvfy, dcentvfy and DCMTK say of files; a test skips where they are absent."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYNTHETIC_DATA = "(0x0008,0x001c)"


def output(tool: str, *paths: Path) -> str:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    ran = subprocess.run(
        [tool, *paths],
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | {"TCP_NODELAY": "1"},
        check=False,
    )
    return ran.stdout + ran.stderr


def errors(path: Path) -> set[str]:
    """Return what dciodvfy calls errors.

    It names the attribute in which a UID stands that has no valid root; a reference to such a source repeats that UID,
    not the error, so the attribute is left out.
    """
    lines = {line for line in output("dciodvfy", path).splitlines() if re.search(r"\bError\b", line)}
    return {re.sub(r'^(Error - Illegal root for UID - "[^"]*").*', r"\1", line) for line in lines}
