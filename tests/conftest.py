"""What all tests share: a clock that they move by hand, and real series where these are at hand."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import hypothesis
import pytest
from fake_clock import FakeClock

hypothesis.settings.register_profile("no clock", deadline=None)  # a busy machine makes any single example slow
hypothesis.settings.load_profile("no clock")

# a test process for each core, and a thread for each process: more of them wait for each other most of the time
for name in ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ.setdefault(name, "1")

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of unpacked real data: dicom/<series>/, odd/<set>/; skip where there is none."""
    source = Path(os.environ.get("DICOM_NODE_TEST_DATA", BESIDE_THE_CHECKOUT))
    if not (source / "unpack").is_file():
        pytest.skip("no real series here: set DICOM_NODE_TEST_DATA to the folder that holds them")
    target = tmp_path_factory.mktemp("real")
    subprocess.run([source / "unpack", target], check=True, capture_output=True)
    return target


@pytest.fixture(scope="session")
def real_series(real_data: Path) -> Path:
    """Return the folder of real series: one folder each."""
    return real_data / "dicom"
