"""Orthanc as the PACS: what it gives back is what the node sent, and it is recognised when it comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.network

HERE = Path(__file__).parent
UNSHARE = ["unshare", "--map-root-user", "--net"]


def test_orthanc_gives_back_what_the_node_sent_and_the_node_leaves_it_alone(tmp_path: Path) -> None:
    run_in_a_namespace(HERE / "orthanc_round_trip.py", tmp_path)


def test_orthanc_asks_whether_its_images_are_safe_and_is_told(tmp_path: Path) -> None:
    run_in_a_namespace(HERE / "orthanc_commitment.py", tmp_path)


def test_orthanc_counts_a_series_that_the_scanner_sent_to_both(tmp_path: Path) -> None:
    run_in_a_namespace(HERE / "orthanc_count.py", tmp_path)


def test_orthanc_sends_what_it_has_to_the_receiver(tmp_path: Path) -> None:
    run_in_a_namespace(HERE / "orthanc_store.py", tmp_path)


def run_in_a_namespace(script: Path, folder: Path) -> None:
    for tool in ("Orthanc", "unshare", "ip"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    # Orthanc 1.10 listens on all addresses: it runs in a namespace in which there is only the loopback interface
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    paths = os.pathsep.join(str(each) for each in script.parents[:3])
    ran = subprocess.run(
        [*UNSHARE, sys.executable, script, folder],
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
